//! Two images of a repository beside each other: what is in one and not in the other.

use std::collections::{BTreeMap, HashSet};

use maud::{Markup, html};

use super::{
    configuration::how_it_runs,
    layers::{StepAndLayer, created_by, paired},
};
use crate::{
    image::ImageConfig,
    ui::{
        age::Age,
        amount::Size,
        copyable::{digest, digest_of},
        layout::{Document, breadcrumbs},
        link,
        model::{Compared, Comparison, ComparisonProblem, Frame},
        name::Name,
        path::PagePath,
        table::{Column, cell, head_cell, table},
        texts::Texts,
        untrusted::Untrusted,
    },
};

const WHAT: Column = Column { label: |t| t.what, class: "" };
const BEFORE: Column = Column { label: |t| t.before, class: "side" };
const AFTER: Column = Column { label: |t| t.after, class: "side" };

/// Renders the form, and the differences where there is something to compare.
pub fn comparison(frame: &Frame<'_>, page: &Comparison<'_>) -> String {
    let t = frame.texts();
    let path = PagePath::comparison(page.name);
    let content = html! {
        (breadcrumbs(frame, &[
            (Some(PagePath::Repositories), html! { (t.repositories) }),
            (PagePath::repository(page.name), html! { (Name(page.name)) }),
        ]))
        div.heading { h1 { (t.compare_two_tags) } }
        @if let Some(path) = &path { (form(frame, page, path)) (platforms(frame, page, path)) }
        @match &page.compared {
            None => { p.note { (t.choose_two_tags) } }
            Some(Err(problem)) => { div.notice.bad role="status" { p { (explained(t, problem)) } } }
            Some(Ok([before, after])) => { (differences(frame, page, before, after)) }
        }
    };
    Document { title: t.compare_two_tags, path: path.as_ref(), class: "wide" }.render(frame, &content)
}

fn form(frame: &Frame<'_>, page: &Comparison<'_>, path: &PagePath) -> Markup {
    let t = frame.texts();
    let field = |id: &str, label: &str, text: &str| {
        html! {
            div.field {
                label for=(id) { (label) }
                input id=(id) type="text" name=(id) value=(Untrusted(text).to_string()) list="tags" maxlength="256" required
                    autocomplete="off" autocapitalize="none" spellcheck="false";
            }
        }
    };
    html! {
        form.pair method="get" action=(link::to(frame, path)) {
            (field("from", t.before, page.from))
            (field("to", t.after, page.to))
            datalist #tags { @for tag in &page.tags { option value=(Untrusted(tag).to_string()) {} } }
            button.primary type="submit" { (t.compare_now) }
        }
    }
}

fn platforms(frame: &Frame<'_>, page: &Comparison<'_>, path: &PagePath) -> Markup {
    let t = frame.texts();
    html! {
        @if page.platforms.len() > 1 {
            nav.orders aria-label=(t.platform) {
                ul {
                    @for platform in &page.platforms {
                        @let current = (*platform == page.platform).then_some("true");
                        @let pairs = [("from", page.from), ("to", page.to), ("platform", platform.as_str())];
                        li { a href=(link::with(frame, path, &pairs)) aria-current=[current] { (Untrusted(platform)) } }
                    }
                }
            }
        }
    }
}

fn explained(t: &Texts, problem: &ComparisonProblem) -> Markup {
    match problem {
        ComparisonProblem::NotFound(name) => t.no_such_image.with([&Untrusted(name)]),
        ComparisonProblem::NoImage(name) => t.is_no_image.with([&Untrusted(name)]),
        ComparisonProblem::NoPlatform => html! { (t.no_common_platform) },
    }
}

fn differences(frame: &Frame<'_>, page: &Comparison<'_>, before: &Compared, after: &Compared) -> Markup {
    let t = frame.texts();
    let none = ImageConfig::default();
    let (old, new) = (before.config.as_ref().unwrap_or(&none), after.config.as_ref().unwrap_or(&none));
    html! {
        @if before.digest == after.digest {
            div.notice.good role="status" { p { (t.same_image) } }
        }
        (facts(frame, page, before, after))
        @if before.config.is_none() || after.config.is_none() {
            div.notice role="status" { p { (t.only_layers_compared) } }
        } @else {
            (changes(t, t.how_it_runs, &strings(how_it_runs(t, old)), &strings(how_it_runs(t, new))))
            (changes(t, t.environment, &environment(old), &environment(new)))
            (changes(t, t.labels, &old.labels, &new.labels))
        }
        (layers(t, before, after))
    }
}

fn facts(frame: &Frame<'_>, page: &Comparison<'_>, before: &Compared, after: &Compared) -> Markup {
    let t = frame.texts();
    let age = |created| {
        html! {
            @match created { Some(timestamp) => { (Age::new(frame, timestamp)) } None => { span.quiet { (t.unknown) } } }
        }
    };
    let size = |size: Option<u64>| html! { @if let Some(size) = size { (Size(size)) } @else { span.quiet { (t.unknown) } } };
    let row = |label: &str, before: Markup, after: Markup| {
        html! { tr role="row" { (head_cell(WHAT, label)) (cell(t, BEFORE, before)) (cell(t, AFTER, after)) } }
    };
    let grown = before.size.zip(after.size);
    let rows = html! {
        (row(t.image, html! { (digest_of(frame, page.name, &before.digest)) }, html! { (digest_of(frame, page.name, &after.digest)) }))
        (row(t.created, age(before.created), age(after.created)))
        (row(t.size, size(before.size), html! { span { (size(after.size)) @if let Some((old, new)) = grown { " " (difference(t, old, new)) } } }))
    };
    html! { section { h2 { (t.image) } (table(t, t.image, &[WHAT, BEFORE, AFTER], rows)) } }
}

fn difference(t: &Texts, before: u64, after: u64) -> Markup {
    let (sign, by) = if after >= before { ("+", after - before) } else { ("−", before - after) };
    html! { span.quiet { @if by == 0 { (t.the_same) } @else { (sign) (Size(by)) } } }
}

fn strings(facts: Vec<(&'static str, String)>) -> BTreeMap<String, String> {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The environment by name: the last of several counts, as for a program.
fn environment(config: &ImageConfig) -> BTreeMap<String, String> {
    let pairs = config.env.iter().map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Renders the names whose values differ.
fn changes(
    t: &Texts,
    title: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Markup {
    let names: Vec<&String> = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)))
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    let value = |value: Option<&String>| {
        html! {
            @match value { Some(value) if value.is_empty() => { span.quiet { (t.empty) } } Some(value) => { code { (Untrusted(value)) } } None => { span.quiet { (t.not_there) } } }
        }
    };
    let rows = html! {
        @for name in &names {
            tr role="row" {
                (head_cell(WHAT, html! { code { (Untrusted(name)) } }))
                (cell(t, BEFORE, value(before.get(*name))))
                (cell(t, AFTER, value(after.get(*name))))
            }
        }
    };
    html! {
        section {
            h2 { (title) }
            @if names.is_empty() { p.note { (t.no_difference) } } @else { (table(t, title, &[WHAT, BEFORE, AFTER], rows)) }
        }
    }
}

const CHANGE: Column = Column { label: |t| t.change, class: "" };
const CREATED_BY: Column = Column { label: |t| t.created_by, class: "main" };
const SIZE: Column = Column { label: |t| t.size, class: "number" };
const LAYER: Column = Column { label: |t| t.layer, class: "" };

fn layers(t: &Texts, before: &Compared, after: &Compared) -> Markup {
    let of = |image: &Compared| image.layers.iter().map(|layer| layer.digest.clone()).collect::<HashSet<_>>();
    let (old, new) = (of(before), of(after));
    let is_in = |set: &HashSet<String>, pair: &StepAndLayer<'_>| {
        pair.layer.is_some_and(|layer| set.contains(&layer.digest))
    };
    let same = after.layers.iter().filter(|layer| old.contains(&layer.digest));
    let (count, bytes) =
        same.fold((0, 0_u64), |(count, bytes), layer| (count + 1, bytes.saturating_add(layer.size)));
    let rows = html! {
        @for pair in pairs(before).into_iter().filter(|pair| !is_in(&new, pair)) { (row(t, t.removed, "no", &pair)) }
        @for pair in pairs(after).into_iter().filter(|pair| !is_in(&old, pair)) { (row(t, t.added, "yes", &pair)) }
    };
    html! {
        section {
            h2 { (t.layers) }
            p.note { (t.layers_are_the_same.with(count, [&Size(bytes)])) }
            @if old != new { (table(t, t.layers_that_differ, &[CHANGE, CREATED_BY, SIZE, LAYER], rows)) }
        }
    }
}

/// The layers with the steps that made them.
fn pairs(image: &Compared) -> Vec<StepAndLayer<'_>> {
    let history = image.config.as_ref().map_or(&[][..], |config| &config.history);
    paired(&image.layers, history).into_iter().filter(|pair| pair.layer.is_some()).collect()
}

fn row(t: &Texts, change: &str, class: &str, pair: &StepAndLayer<'_>) -> Markup {
    let size = pair.layer.map_or(0, |layer| layer.size);
    let layer = pair.layer.map_or("", |layer| &layer.digest);
    html! {
        tr role="row" {
            (cell(t, CHANGE, html! { span class=(class) { (change) } }))
            (head_cell(CREATED_BY, created_by(t, pair.step)))
            (cell(t, SIZE, Size(size)))
            (cell(t, LAYER, digest(layer)))
        }
    }
}
