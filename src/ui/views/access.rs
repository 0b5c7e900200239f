//! The page with the visitor's rights here, and the rules behind them.

use maud::{Markup, html};

use crate::ui::{
    age::Moment,
    amount::Count,
    basis,
    copyable::command,
    layout::Document,
    link,
    model::{Access, Frame, Right, RightOn, RightsOn, Visitor},
    name::Name,
    pagination::{extent, pagination},
    path::PagePath,
    table::{Column, cell, head_cell, table},
    texts::Texts,
    untrusted::Untrusted,
};

const REPOSITORY: Column = Column { label: |t| t.repository, class: "main" };
const PULL: Column = Column { label: |t| t.pull, class: "" };
const PUSH: Column = Column { label: |t| t.push, class: "" };
const DELETE: Column = Column { label: |t| t.delete, class: "" };

/// Renders the visitor's account and rights, as the rules see them.
pub fn access(frame: &Frame<'_>, page: &Access<'_>) -> String {
    let t = frame.texts();
    let content = html! {
        div.heading { h1 { (t.my_access) } }
        (who(frame, page))
        (question(frame, page))
        (by_rule(frame.texts(), page))
        (rights(frame, page))
    };
    Document { title: t.my_access, path: Some(&PagePath::Access), class: "wide" }.render(frame, &content)
}

fn who(frame: &Frame<'_>, page: &Access<'_>) -> Markup {
    let t = frame.texts();
    html! {
        dl.facts {
            @match frame.visitor {
                Visitor::Account { name, .. } => {
                    div { dt { (t.account) } dd { strong { (Untrusted(name)) } } }
                    @if !page.source.is_empty() { div { dt { (t.known_from) } dd { code { (Untrusted(page.source)) } } } }
                }
                Visitor::Anonymous | Visitor::Nobody => {
                    div { dt { (t.account) } dd { (t.not_signed_in) } }
                }
            }
            @if let Some(address) = page.address { div { dt { (t.address) } dd { code { (address) } } } }
            @for (key, values) in page.labels {
                div { dt { (t.label_of_account.with([&Untrusted(key)])) } dd { (Untrusted(&values.join(", "))) } }
            }
            div { dt { (t.list_all_repositories) } dd { (right(t, &page.catalog)) } }
        }
    }
}

fn question(frame: &Frame<'_>, page: &Access<'_>) -> Markup {
    let t = frame.texts();
    html! {
        section.card {
            h2 { (t.ask_about_repository) }
            form.search method="get" action=(link::to(frame, &PagePath::Access)) {
                label.unseen for="name" { (t.name_to_ask_about) }
                input #name type="text" name="name" value=(Untrusted(page.asked).to_string()) placeholder="team/app" maxlength="255"
                    autocomplete="off" autocapitalize="none" spellcheck="false";
                @if let Some(other) = &page.other {
                    label.unseen for="account" { (t.account_to_ask_about) }
                    input #account type="text" name="account" value=(Untrusted(other.name).to_string())
                        placeholder=(t.account_to_ask_about) maxlength="255" autocomplete="off" autocapitalize="none" spellcheck="false";
                }
                button type="submit" { (t.ask) }
            }
            @match &page.answer {
                Some(rights) => { (answered(frame, page, rights)) }
                None if page.asked.is_empty() => { p.note { (t.need_not_exist) } }
                None => {
                    p.note role="status" { (t.is_no_name.with([&Untrusted(page.asked)])) }
                }
            }
        }
    }
}

fn answered(frame: &Frame<'_>, page: &Access<'_>, rights: &RightsOn) -> Markup {
    let t = frame.texts();
    let other = page.other.filter(|other| !other.name.is_empty());
    html! {
        @if let Some(other) = other { p { (t.rights_of.with([&Untrusted(other.name)])) } }
        (answer(t, page.asked, rights))
        @if page.is_write_once { p.note { (t.asked_is_write_once) } }
        @match other {
            Some(other) => {
                p.note { (t.rights_without_address) }
                @if !other.has_known_labels { p.note { (t.labels_are_unknown) } }
            }
            None => { (request(frame, page.asked, rights)) }
        }
    }
}

/// The sentences that an account may send to the operator, for what it may not do.
fn request(frame: &Frame<'_>, name: &str, rights: &RightsOn) -> Markup {
    let t = frame.texts();
    let Visitor::Account { name: account, .. } = frame.visitor else { return html! {} };
    let texts =
        [(&rights.pull, t.may_not_pull), (&rights.push, t.may_not_push), (&rights.delete, t.may_not_delete)];
    let missing: Vec<String> = texts
        .into_iter()
        .filter(|(right, _)| !right.is_any())
        .map(|(right, text)| {
            let by = basis::in_words(t, &right.by);
            text.plain([&Untrusted(account), &Untrusted(name), &Untrusted(frame.host), &by])
        })
        .collect();
    html! {
        @if !missing.is_empty() {
            p.note { (t.send_to_operator) }
            @for sentence in &missing { (command(sentence)) }
        }
    }
}

fn answer(t: &Texts, name: &str, rights: &RightsOn) -> Markup {
    let row = html! { tr role="row" { (head_cell(REPOSITORY, Name(name))) (cells(t, rights)) } };
    html! { div role="status" { (table(t, t.rights_asked_about, &[REPOSITORY, PULL, PUSH, DELETE], row)) } }
}

const RULE: Column = Column { label: |t| t.rule, class: "main" };
const MAY_PULL: Column = Column { label: |t| t.pull, class: "number" };
const MAY_PUSH: Column = Column { label: |t| t.push, class: "number" };
const MAY_DELETE: Column = Column { label: |t| t.delete, class: "number" };

/// The number of repositories by rule.
fn by_rule(t: &Texts, page: &Access<'_>) -> Markup {
    let columns = [MAY_PULL, MAY_PUSH, MAY_DELETE];
    let is_part = page.surveyed < page.page.total && page.only.is_none();
    let explained = if is_part { &t.by_rule_of_first } else { &t.by_rule_of_all };
    let rows = html! {
        @for rule in &page.by_rule {
            tr role="row" {
                (head_cell(RULE, basis::rendered(t, &rule.by)))
                @for (column, count) in columns.into_iter().zip(rule.counts) { (cell(t, column, Count(count as u64))) }
            }
        }
    };
    html! {
        @if !page.by_rule.is_empty() {
            section {
                h2 { (t.by_rule) }
                p.note { (explained.of(page.surveyed)) }
                (table(t, t.repositories_by_rule, &[RULE, MAY_PULL, MAY_PUSH, MAY_DELETE], rows))
            }
        }
    }
}

/// The rights to choose from.
fn choice(frame: &Frame<'_>, page: &Access<'_>) -> Markup {
    let t = frame.texts();
    let all = [(None, t.all), (Some(RightOn::Push), t.could_push), (Some(RightOn::Delete), t.could_delete)];
    html! {
        @if page.surveyed > 0 {
            nav.orders aria-label=(t.repositories) {
                ul {
                    @for (right, label) in all {
                        @let current = (right == page.only).then_some("true");
                        @let right = right.map(RightOn::name).unwrap_or_default();
                        li { a href=(link::with(frame, &PagePath::Access, &[("right", right)])) aria-current=[current] { (label) } }
                    }
                }
            }
        }
    }
}

fn rights(frame: &Frame<'_>, page: &Access<'_>) -> Markup {
    let t = frame.texts();
    let rows = html! {
        @for (name, rights) in &page.repositories {
            tr role="row" {
                (head_cell(REPOSITORY, link::link(frame, PagePath::repository(name).as_ref(), Name(name))))
                (cells(t, rights))
            }
        }
    };
    html! {
        section {
            h2 { (t.repositories) }
            (choice(frame, page))
            @if page.repositories.is_empty() {
                p.note { (none(t, page.only)) }
            } @else {
                p.extent { (extent(t, page.page, page.repositories.len(), &t.repositories_counted)) }
                (table(t, t.rights_on_repositories, &[REPOSITORY, PULL, PUSH, DELETE], rows))
                (pagination(frame, &PagePath::Access, page.page, &[("name", page.asked), ("right", page.only.map(RightOn::name).unwrap_or_default())]))
            }
        }
    }
}

fn none(t: &Texts, only: Option<RightOn>) -> &'static str {
    match only {
        None => t.none_to_see,
        Some(RightOn::Pull) => t.none_to_pull,
        Some(RightOn::Push) => t.none_to_push,
        Some(RightOn::Delete) => t.none_to_delete,
    }
}

fn cells(t: &Texts, rights: &RightsOn) -> Markup {
    html! { (cell(t, PULL, right(t, &rights.pull))) (cell(t, PUSH, right(t, &rights.push))) (cell(t, DELETE, right(t, &rights.delete))) }
}

fn right(t: &Texts, right: &Right) -> Markup {
    html! {
        span.right {
            @if right.for_some_tags { span.yes { (t.some_tags) } }
            @else if right.allowed { span.yes { (t.yes) } }
            @else { span.no { (t.no) } }
            " " span.by {
                (basis::rendered(t, &right.by))
                @if let Some(end) = right.until { (t.until.with([&Moment::new(t, end)])) }
                @if let Some(other) = &right.other_tags { ". " (t.for_other_tags.with([&basis::rendered(t, other)])) }
            }
        }
    }
}
