//! The page of the visitor's personal tokens.

use maud::{Markup, html};

use crate::ui::{
    Language,
    age::Age,
    copyable::command,
    layout::Document,
    link,
    model::{Frame, TokenEntry, TokenNotice, TokenProblem, TokenScope, TokenWish, Tokens, Visitor},
    path::PagePath,
    table::{Column, cell, head_cell, table},
    texts::{LabelOf, Texts},
    untrusted::{Untrusted, of_the_log},
};

const COMMENT: Column = Column { label: |t| t.used_for, class: "main" };
const SCOPES: Column = Column { label: |t| t.scope, class: "" };
const MADE: Column = Column { label: |t| t.made, class: "" };
const USED: Column = Column { label: |t| t.last_use, class: "" };
const ENDS: Column = Column { label: |t| t.ends, class: "" };
const ACTIONS: Column = Column { label: |t| t.actions, class: "actions" };

/// The uses of a token: the value in the form, and its text.
const ACCESS: [(&str, LabelOf); 3] =
    [("pull", |t| t.may_pull), ("push", |t| t.may_push), ("delete", |t| t.may_delete)];

/// Renders the tokens of the visitor, and the form that makes one.
pub fn tokens(frame: &Frame<'_>, page: &Tokens<'_>) -> String {
    let t = frame.texts();
    let content = html! {
        div.heading { h1 { (t.my_tokens) } }
        p.lead { (t.what_tokens_are) }
        @if let Some(notice) = page.notice { (told(frame, notice)) }
        section { (form(frame, page)) }
        (list(frame, page))
    };
    Document { title: t.my_tokens, path: Some(&PagePath::Tokens), class: "wide" }.render(frame, &content)
}

fn told(frame: &Frame<'_>, notice: TokenNotice<'_>) -> Markup {
    let t = frame.texts();
    html! {
        @match notice {
            TokenNotice::Made(token) => {
                section.card role="status" {
                    h2 { (t.your_new_token) }
                    p { (t.copy_it_now) }
                    (command(token))
                    p { (t.token_is_password) }
                    (command(&log_in(frame)))
                }
            }
            TokenNotice::Revoked(id) => {
                div.notice.good role="status" {
                    p { (t.token_is_revoked.with([&Untrusted(id)])) }
                }
            }
            TokenNotice::Problem(why) => { div.notice.bad role="alert" { p { (wrong(t, why)) } } }
        }
    }
}

/// Returns the mistake in a form, in English, for the audit log.
pub fn token_problem(problem: TokenProblem<'_>) -> String {
    let t = Language::English.texts();
    match problem {
        TokenProblem::Comment(most) => t.token_comment_wrong.plain([&most]),
        TokenProblem::Misplaced => t.token_misplaced.plain([]),
        TokenProblem::Lifetime(days) => t.token_lifetime_wrong.plain([&days]),
        TokenProblem::Access => t.token_access_wrong.plain([]),
        TokenProblem::Names(most) => t.token_names_too_many.plain([&most]),
        TokenProblem::TooMany(most) => t.token_too_many.plain([&most]),
        TokenProblem::Other(why) => why.to_owned(),
    }
}

pub(super) fn wrong(t: &Texts, problem: TokenProblem<'_>) -> Markup {
    match problem {
        TokenProblem::Comment(most) => t.token_comment_wrong.with([&most]),
        TokenProblem::Misplaced => t.token_misplaced.with([]),
        TokenProblem::Lifetime(days) => t.token_lifetime_wrong.with([&days]),
        TokenProblem::Access => t.token_access_wrong.with([]),
        TokenProblem::Names(most) => t.token_names_too_many.with([&most]),
        TokenProblem::TooMany(most) => t.token_too_many.with([&most]),
        TokenProblem::Other(why) => of_the_log(why),
    }
}

/// A scope for people: `team/*: pull, push`.
fn scope_in_words(t: &Texts, scope: &TokenScope) -> Markup {
    match &scope.name {
        Some(name) => html! { (Untrusted(&format!("{name}: {}", scope.actions))) },
        None => t.all_repositories.with([&Untrusted(&scope.actions)]),
    }
}

/// The command by which the visitor signs in, as a shell reads it.
fn log_in(frame: &Frame<'_>) -> String {
    let name = match frame.visitor {
        Visitor::Account { name, .. } => name,
        Visitor::Anonymous | Visitor::Nobody => "",
    };
    format!("docker login -u {} {}", quoted(name), frame.host)
}

/// A word for a shell: between quotes where it has anything but letters, digits and a few signs.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._@:/+".contains(c);
    if !word.is_empty() && word.chars().all(|c| is_plain(c) || c == '-') && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn form(frame: &Frame<'_>, page: &Tokens<'_>) -> Markup {
    let t = frame.texts();
    html! {
        form.card method="post" action=(link::to(frame, &PagePath::Tokens)) {
            input type="hidden" name="csrf" value=(page.csrf);
            h2 { (t.make_a_token) }
            (fields(t, page.wish, &page.lifetimes))
            button.primary type="submit" { (t.make_a_token) }
        }
        @if page.signs_in_programs {
            p.note { a href=(link::to(frame, &PagePath::Device)) { (t.sign_in_program_with_code) } }
        }
    }
}

/// The fields that say what a token is for, and what it may do.
pub(super) fn fields(t: &Texts, wish: TokenWish<'_>, lifetimes: &[u64]) -> Markup {
    let TokenWish { comment, repositories, access, days } = wish;
    html! {
        div.field {
            label for="comment" { (t.what_it_is_for) }
            input #comment type="text" name="comment" value=(Untrusted(comment).to_string()) required maxlength="100"
                placeholder=(t.my_laptop) autocomplete="off";
        }
        div.field {
            label for="repositories" { (t.repositories) }
            input #repositories type="text" name="repositories" value=(Untrusted(repositories).to_string())
                placeholder=(t.all_that_you_may_use) aria-describedby="repositories-note" autocomplete="off" autocapitalize="none"
                spellcheck="false";
            p.note #repositories-note { (t.names_with_spaces) }
        }
        div.field {
            label for="access" { (t.may_be_used_to) }
            select #access name="access" {
                @for (value, text) in ACCESS { option value=(value) selected[value == access] { (text(t)) } }
            }
        }
        div.field {
            label for="days" { (t.ends_after) }
            select #days name="days" {
                @for lifetime in lifetimes {
                    option value=(lifetime) selected[*lifetime == days] { (t.days_counted.with(*lifetime, [])) }
                }
            }
        }
    }
}

fn list(frame: &Frame<'_>, page: &Tokens<'_>) -> Markup {
    let t = frame.texts();
    let rows = html! { @for token in &page.tokens { tr role="row" { (row(frame, page.csrf, token)) } } };
    html! {
        section {
            h2 { (t.your_tokens) }
            @if page.tokens.is_empty() {
                p.note { (t.you_have_none) }
            } @else {
                p.extent { (t.revoke_unused.with([&t.tokens_counted.of(page.tokens.len())])) }
                (table(t, t.your_tokens, &[COMMENT, SCOPES, MADE, USED, ENDS, ACTIONS], rows))
            }
        }
    }
}

fn row(frame: &Frame<'_>, csrf: &str, token: &TokenEntry) -> Markup {
    let t = frame.texts();
    let age = |timestamp| Age::new(frame, timestamp);
    let revoke = t.revoke_token.plain([&token.id, &Untrusted(&token.comment)]);
    html! {
        (head_cell(COMMENT, html! { span.two { span { (Untrusted(&token.comment)) } span.quiet { code { (token.id) } } } }))
        (cell(t, SCOPES, html! { span.two { @for scope in &token.scopes { span { code { (scope_in_words(t, scope)) } } } } }))
        (cell(t, MADE, html! { (age(token.made)) }))
        (cell(t, USED, html! { @if let Some(used) = token.used { (age(used)) } @else { span.quiet { (t.never) } } }))
        (cell(t, ENDS, html! { @if token.has_ended { span.no { (t.ended) } " " } (age(token.ends)) }))
        (cell(t, ACTIONS, html! {
            form method="post" action=(link::to(frame, &PagePath::Tokens)) {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="revoke" value=(token.id);
                button type="submit" aria-label=(revoke) { (t.revoke) }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_the_shell() {
        for (name, word) in [
            ("alice", "alice"),
            ("alice@example.org", "alice@example.org"),
            ("a b", "'a b'"),
            ("-h", "'-h'"),
            ("", "''"),
            ("$(reboot)", "'$(reboot)'"),
            ("x'; reboot; '", "'x'\\''; reboot; '\\'''"),
        ] {
            assert_eq!(quoted(name), word);
        }
    }
}
