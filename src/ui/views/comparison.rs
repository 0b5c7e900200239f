//! Two images of a repository beside each other: what is in one and not in the other.

use std::collections::{BTreeMap, HashSet};

use maud::{Markup, Render, html};

use super::{
    configuration::how_it_runs,
    layers::{StepAndLayer, created_by, paired},
};
use crate::{
    image::ImageConfig,
    ui::{
        age::Age,
        amount::{Size, counted},
        copyable::{digest, digest_of},
        layout::{Document, breadcrumbs},
        link,
        model::{Compared, Comparison, ComparisonProblem, Frame},
        name::Name,
        path::PagePath,
        table::{Column, cell, head_cell, table},
        untrusted::Untrusted,
    },
};

const WHAT: Column = Column { label: "What", class: "" };
const BEFORE: Column = Column { label: "Before", class: "side" };
const AFTER: Column = Column { label: "After", class: "side" };

/// Renders the form, and the differences where there is something to compare.
pub fn comparison(frame: &Frame<'_>, page: &Comparison<'_>) -> String {
    let path = PagePath::comparison(page.name);
    let content = html! {
        (breadcrumbs(frame, &[
            (Some(PagePath::Repositories), html! { "Repositories" }),
            (PagePath::repository(page.name), html! { (Name(page.name)) }),
        ]))
        div.heading { h1 { "Compare two tags" } }
        @if let Some(path) = &path { (form(frame, page, path)) (platforms(frame, page, path)) }
        @match &page.compared {
            None => { p.note { "Choose two tags of this repository. Digests will do, too." } }
            Some(Err(problem)) => { div.notice.bad role="status" { p { (explained(problem)) } } }
            Some(Ok([before, after])) => { (differences(frame, page, before, after)) }
        }
    };
    Document { title: "Compare two tags", path: path.as_ref(), class: "wide" }.render(frame, &content)
}

fn form(frame: &Frame<'_>, page: &Comparison<'_>, path: &PagePath) -> Markup {
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
            (field("from", "Before", page.from))
            (field("to", "After", page.to))
            datalist #tags { @for tag in &page.tags { option value=(Untrusted(tag).to_string()) {} } }
            button.primary type="submit" { "Compare" }
        }
    }
}

fn platforms(frame: &Frame<'_>, page: &Comparison<'_>, path: &PagePath) -> Markup {
    html! {
        @if page.platforms.len() > 1 {
            nav.orders aria-label="Platform" {
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

fn explained(problem: &ComparisonProblem) -> Markup {
    html! {
        @match problem {
            ComparisonProblem::NotFound(name) => { "There is no " strong { (Untrusted(name)) } " that you may pull in this repository." }
            ComparisonProblem::NoImage(name) => { strong { (Untrusted(name)) } " is no image, so there is nothing to compare." }
            ComparisonProblem::NoPlatform => { "The two have no platform in common." }
        }
    }
}

fn differences(frame: &Frame<'_>, page: &Comparison<'_>, before: &Compared, after: &Compared) -> Markup {
    let none = ImageConfig::default();
    let (old, new) = (before.config.as_ref().unwrap_or(&none), after.config.as_ref().unwrap_or(&none));
    html! {
        @if before.digest == after.digest {
            div.notice.good role="status" { p { strong { "Both are the very same image." } } }
        }
        (facts(frame, page, before, after))
        @if before.config.is_none() || after.config.is_none() {
            div.notice role="status" { p { "The configuration of one of them cannot be read, so only layers and sizes are compared." } }
        } @else {
            (changes("How it runs", &strings(how_it_runs(old)), &strings(how_it_runs(new))))
            (changes("Environment", &environment(old), &environment(new)))
            (changes("Labels", &old.labels, &new.labels))
        }
        (layers(before, after))
    }
}

fn facts(frame: &Frame<'_>, page: &Comparison<'_>, before: &Compared, after: &Compared) -> Markup {
    let age = |created| {
        html! {
            @match created { Some(timestamp) => { (Age { timestamp, now: frame.now }) } None => { span.quiet { "unknown" } } }
        }
    };
    let size = |size: Option<u64>| html! { @if let Some(size) = size { (Size(size)) } @else { span.quiet { "unknown" } } };
    let row = |label: &str, before: Markup, after: Markup| {
        html! { tr role="row" { (head_cell(WHAT, label)) (cell(BEFORE, before)) (cell(AFTER, after)) } }
    };
    let grown = before.size.zip(after.size);
    let rows = html! {
        (row("Image", html! { (digest_of(frame, page.name, &before.digest)) }, html! { (digest_of(frame, page.name, &after.digest)) }))
        (row("Created", age(before.created), age(after.created)))
        (row("Size", size(before.size), html! { span { (size(after.size)) @if let Some((old, new)) = grown { " " (difference(old, new)) } } }))
    };
    html! { section { h2 { "Image" } (table("Image", &[WHAT, BEFORE, AFTER], rows)) } }
}

fn difference(before: u64, after: u64) -> Markup {
    let (sign, by) = if after >= before { ("+", after - before) } else { ("−", before - after) };
    html! { span.quiet { @if by == 0 { "the same" } @else { (sign) (Size(by)) } } }
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
fn changes(title: &str, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Markup {
    let names: Vec<&String> = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)))
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    let value = |value: Option<&String>| {
        html! {
            @match value { Some(value) if value.is_empty() => { span.quiet { "empty" } } Some(value) => { code { (Untrusted(value)) } } None => { span.quiet { "not there" } } }
        }
    };
    let rows = html! {
        @for name in &names {
            tr role="row" {
                (head_cell(WHAT, html! { code { (Untrusted(name)) } }))
                (cell(BEFORE, value(before.get(*name))))
                (cell(AFTER, value(after.get(*name))))
            }
        }
    };
    html! {
        section {
            h2 { (title) }
            @if names.is_empty() { p.note { "No difference." } } @else { (table(title, &[WHAT, BEFORE, AFTER], rows)) }
        }
    }
}

const CHANGE: Column = Column { label: "Change", class: "" };
const CREATED_BY: Column = Column { label: "Created by", class: "main" };
const SIZE: Column = Column { label: "Size", class: "number" };
const LAYER: Column = Column { label: "Layer", class: "" };

fn layers(before: &Compared, after: &Compared) -> Markup {
    let of = |image: &Compared| image.layers.iter().map(|layer| layer.digest.clone()).collect::<HashSet<_>>();
    let (old, new) = (of(before), of(after));
    let is_in = |set: &HashSet<String>, pair: &StepAndLayer<'_>| {
        pair.layer.is_some_and(|layer| set.contains(&layer.digest))
    };
    let same = after.layers.iter().filter(|layer| old.contains(&layer.digest));
    let (count, bytes) =
        same.fold((0, 0_u64), |(count, bytes), layer| (count + 1, bytes.saturating_add(layer.size)));
    let rows = html! {
        @for pair in pairs(before).into_iter().filter(|pair| !is_in(&new, pair)) { (row("removed", "no", &pair)) }
        @for pair in pairs(after).into_iter().filter(|pair| !is_in(&old, pair)) { (row("added", "yes", &pair)) }
    };
    html! {
        section {
            h2 { "Layers" }
            p.note { (counted(count, "layer is", "layers are")) " the same, " (Size(bytes)) " of them." }
            @if old != new { (table("Layers that differ", &[CHANGE, CREATED_BY, SIZE, LAYER], rows)) }
        }
    }
}

/// The layers with the steps that made them.
fn pairs(image: &Compared) -> Vec<StepAndLayer<'_>> {
    let history = image.config.as_ref().map_or(&[][..], |config| &config.history);
    paired(&image.layers, history).into_iter().filter(|pair| pair.layer.is_some()).collect()
}

fn row(change: &str, class: &str, pair: &StepAndLayer<'_>) -> Markup {
    let size = pair.layer.map_or(0, |layer| layer.size);
    let layer = pair.layer.map_or("", |layer| &layer.digest);
    html! {
        tr role="row" {
            (cell(CHANGE, html! { span class=(class) { (change) } }))
            (head_cell(CREATED_BY, created_by(pair.step).render()))
            (cell(SIZE, Size(size)))
            (cell(LAYER, digest(layer)))
        }
    }
}
