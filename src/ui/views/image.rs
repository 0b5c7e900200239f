//! A manifest, looked into: an image, an index of platforms, or something else that is kept in a registry.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{
    about, activity,
    commands::commands,
    configuration::{configuration, pairs},
    layers::layers,
    provenance::{claims, readme},
    repository::write_once,
};
use crate::{
    image::Descriptor,
    ui::{
        age::Age,
        amount::{Count, Size},
        copyable::{cut, digest, digest_of, whole_digest},
        layout::{Document, breadcrumbs},
        link,
        model::{Content, Frame, ImagePage, IndexEntry, NoConfig, Referrer, StoreFault},
        name::{Called, Name},
        path::PagePath,
        sizes::Sizes,
        table::{Column, cell, head_cell, table},
        texts::{Texts, in_words},
        untrusted::Untrusted,
    },
};

/// Renders the page of a manifest.
pub fn image(frame: &Frame<'_>, page: &ImagePage<'_>) -> String {
    let t = frame.texts();
    let called = Called { name: page.name, tag: page.tag, digest: page.digest };
    let path = match page.tag {
        Some(tag) => PagePath::tagged(page.name, tag),
        None => PagePath::by_digest(page.name, page.digest),
    };
    let content = html! {
        (breadcrumbs(frame, &[
            (Some(PagePath::Repositories), html! { (t.repositories) }),
            (PagePath::repository(page.name), html! { (Name(page.name)) }),
        ]))
        div.heading {
            h1 { (called) @if page.is_write_once { " " (write_once(t)) } }
            (comparison(frame, page))
            @if page.may_delete_tag { (tag_deletion(frame, page)) }
            @if page.may_delete { (deletion(frame, page)) }
        }
        @match &page.content {
            Content::Artifact { chart: Some(chart), .. } => { (about::chart(t, chart)) }
            _ => { (about::about(t, &page.about)) }
        }
        (commands(frame, page, called))
        (facts(frame, page))
        (readme(page.readme.as_deref()))
        (inside(frame, page))
        (claims(frame, page.name, &page.claims))
        (annotations(t, page.annotations))
        (referrers(frame, page))
    };
    Document { title: &called.to_string(), path: path.as_ref(), class: "wide" }.render(frame, &content)
}

fn comparison(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    let t = frame.texts();
    html! {
        @if let Some(path) = PagePath::comparison(page.name) {
            a.button href=(link::with(frame, &path, &[("to", page.tag.unwrap_or(page.digest))])) { (t.compare) }
        }
    }
}

fn tag_deletion(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    let t = frame.texts();
    html! {
        @if let Some(path) = PagePath::tag_deletion(page.name, page.tag.unwrap_or_default()) {
            a.button href=(link::to(frame, &path)) { (t.delete_this_tag) }
        }
    }
}

fn deletion(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    let t = frame.texts();
    html! {
        @if let Some(path) = PagePath::deletion(page.name, page.digest) {
            a.button.danger href=(link::with(frame, &path, &[("tag", page.tag.unwrap_or_default())])) { (t.delete_the_image) }
        }
    }
}

fn facts(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    let t = frame.texts();
    html! {
        dl.facts {
            @match &page.content {
                Content::Image { layers, config } => {
                    @if let Ok(config) = config {
                        div { dt { (t.platform) } dd { (Untrusted(&config.platform.to_string())) } }
                    }
                    div { dt { (t.size) } dd { (t.size_in.with([&size(t, page), &t.layers_counted.of(layers.len())])) } }
                    @if let Ok(config) = config {
                        @if let Some(timestamp) = config.created { div { dt { (t.created) } dd { (Age::new(frame, timestamp)) } } }
                        @if let Some(author) = &config.author { div { dt { (t.author) } dd { (Untrusted(author)) } } }
                    }
                }
                Content::Index(entries) => {
                    div { dt { (t.kind) } dd { (t.image_for_platforms) } }
                    div { dt { (t.platforms) } dd { (Count(runnable(entries).count() as u64)) } }
                    div { dt { (t.size) } dd { (sizes(t, page, entries)) } }
                }
                Content::Artifact { kind, files, .. } => {
                    div { dt { (t.kind) } dd { (Untrusted(&in_words(t, kind))) } }
                    div { dt { (t.size) } dd { (t.size_in.with([&size(t, page), &t.files_counted.of(files.len())])) } }
                }
                Content::Unknown => {}
            }
            @if let Some(known) = &page.activity { (activity::facts(frame, known)) }
            @if !page.other_tags.is_empty() { (other_tags(frame, page)) }
            div.long { dt { (t.digest) } dd { (whole_digest(page.digest)) } }
            div.long { dt { (t.media_type) } dd { code { (Untrusted(page.media_type)) } } }
        }
    }
}

/// Tags on the same digest that are named; of more, the others are counted.
const NAMED: usize = 20;

fn other_tags(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    let t = frame.texts();
    let (named, more) = page.other_tags.split_at(page.other_tags.len().min(NAMED));
    let label = if page.tag.is_some() { t.other_tags } else { t.tags };
    html! {
        div.long {
            dt { (label) }
            dd {
                @for (at, tag) in named.iter().enumerate() {
                    @if at > 0 { ", " }
                    code { (link::link(frame, PagePath::tagged(page.name, tag).as_ref(), Untrusted(tag))) }
                }
                @if !more.is_empty() { " " (t.more_platforms.of(more.len())) }
            }
        }
    }
}

fn explained(t: &Texts, why: &NoConfig) -> Markup {
    match why {
        NoConfig::Unreadable => t.no_config_unreadable.with([]),
        NoConfig::Elsewhere(None) => t.no_config_elsewhere.with([]),
        NoConfig::Elsewhere(Some(origin)) => t.no_config_at.with([&Untrusted(origin)]),
        NoConfig::Store { origin, fault } => {
            let origin = Untrusted(origin);
            match fault {
                StoreFault::Unreachable => t.store_unreachable.with([&origin]),
                StoreFault::Redirects => t.store_redirects.with([&origin]),
                StoreFault::Status(403) => t.store_forbids.with([&origin]),
                StoreFault::Status(status) => t.store_status.with([&origin, status]),
                StoreFault::TooLarge => t.store_too_large.with([&origin]),
                StoreFault::WrongDigest => t.store_wrong_digest.with([&origin]),
            }
        }
    }
}

/// The size that the list of tags shows as well.
fn size(t: &Texts, page: &ImagePage<'_>) -> Markup {
    html! { @if let Some(size) = page.size { (Size(size)) } @else { span.quiet { (t.unknown) } } }
}

/// The sizes that the list of tags shows as well.
fn sizes(t: &Texts, page: &ImagePage<'_>, entries: &[IndexEntry]) -> Markup {
    let sizes = Sizes(runnable(entries).map(|entry| entry.size).collect());
    html! {
        @if let Some(one) = sizes.of_one() {
            (t.for_one_platform.with([&one]))
            @if let Some(sum) = page.size { (t.and_in_all.with([&sizes.of_all(t, sum)])) }
        } @else { (size(t, page)) }
    }
}

fn inside(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    let t = frame.texts();
    html! {
        @match &page.content {
            Content::Image { layers: parts, config } => {
                (layers(t, parts, config.as_ref().map_or(&[], |config| &config.history)))
                @match config {
                    Ok(config) => { (configuration(t, config)) }
                    Err(why) => {
                        div.notice role="status" {
                            p { (t.no_config) }
                            p { (explained(t, why)) " " (t.so_history_is_unknown) }
                        }
                    }
                }
            }
            Content::Index(entries) => { (platforms(frame, page, entries)) }
            Content::Artifact { files: parts, .. } => { (files(t, parts)) }
            Content::Unknown => {
                div.notice role="status" {
                    p { (t.content_unknown) }
                    p { (t.content_unknown_explained) }
                }
            }
        }
    }
}

const PLATFORM: Column = Column { label: |t| t.platform, class: "main" };
const SIZE: Column = Column { label: |t| t.size, class: "number" };
const DIGEST: Column = Column { label: |t| t.digest, class: "" };

fn platforms(frame: &Frame<'_>, page: &ImagePage<'_>, entries: &[IndexEntry]) -> Markup {
    let t = frame.texts();
    let rows =
        html! { @for entry in runnable(entries) { tr role="row" { (entry_cells(frame, page, entry)) } } };
    let attesting: Vec<&IndexEntry> = entries.iter().filter(|entry| entry.attests.is_some()).collect();
    html! {
        section {
            h2 { (t.platforms) }
            (table(t, t.platforms, &[PLATFORM, SIZE, DIGEST], rows))
            @if !attesting.is_empty() { (attestations(frame, page, entries, &attesting)) }
        }
    }
}

fn runnable(entries: &[IndexEntry]) -> impl Iterator<Item = &IndexEntry> {
    entries.iter().filter(|entry| entry.attests.is_none())
}

fn entry_cells(frame: &Frame<'_>, page: &ImagePage<'_>, entry: &IndexEntry) -> Markup {
    let t = frame.texts();
    let platform = entry.platform.as_ref().map_or(t.not_stated.to_owned(), ToString::to_string);
    let path = PagePath::by_digest(page.name, &entry.digest);
    html! {
        (head_cell(PLATFORM, link::link(frame, path.as_ref(), Untrusted(&platform))))
        (cell(t, SIZE, html! { @if let Some(size) = entry.size { (Size(size)) } @else { span.quiet { (t.unknown) } } }))
        (cell(t, DIGEST, digest(&entry.digest)))
    }
}

const ATTESTATION: Column = Column { label: |t| t.attestation, class: "main" };
const ATTESTS: Column = Column { label: |t| t.about_what, class: "" };

fn attestations(
    frame: &Frame<'_>,
    page: &ImagePage<'_>,
    entries: &[IndexEntry],
    attesting: &[&IndexEntry],
) -> Markup {
    let t = frame.texts();
    let rows = html! {
        @for entry in attesting {
            tr role="row" {
                (head_cell(ATTESTATION, digest_of(frame, page.name, &entry.digest)))
                (cell(t, ATTESTS, subject(entries, entry.attests.as_deref().unwrap_or_default())))
            }
        }
    };
    html! {
        details.card {
            summary { (t.attestations_counted.of(attesting.len())) }
            (table(t, t.attestations, &[ATTESTATION, ATTESTS], rows))
        }
    }
}

/// Renders the subject of an attestation: the platform, which stands in the table above; else its digest.
fn subject(entries: &[IndexEntry], about: &str) -> Markup {
    let platform =
        entries.iter().find(|entry| entry.digest == about).and_then(|entry| entry.platform.as_ref());
    html! {
        @match platform {
            Some(platform) => { (Untrusted(&platform.to_string())) }
            None => { (digest(about)) }
        }
    }
}

const FILE: Column = Column { label: |t| t.file, class: "main" };
const MEDIA_TYPE: Column = Column { label: |t| t.media_type, class: "" };

/// The annotation in which builders of artifacts name a file (OCI image specification).
const TITLE: &str = "org.opencontainers.image.title";

fn files(t: &Texts, files: &[Descriptor]) -> Markup {
    let rows = html! {
        @for file in files {
            tr role="row" {
                (head_cell(FILE, Untrusted(file.annotations.get(TITLE).map_or(t.without_a_name, String::as_str))))
                (cell(t, SIZE, Size(file.size)))
                (cell(t, MEDIA_TYPE, html! { code.media { (Untrusted(&file.media_type)) } }))
                (cell(t, DIGEST, digest(&file.digest)))
            }
        }
    };
    html! {
        section {
            h2 { (t.files) }
            @if files.is_empty() { p.note { (t.none) } } @else {
                (table(t, t.files, &[FILE, SIZE, MEDIA_TYPE, DIGEST], rows))
            }
        }
    }
}

fn annotations(t: &Texts, annotations: &BTreeMap<String, String>) -> Markup {
    html! {
        @if !annotations.is_empty() {
            section { h2 { (t.annotations) } (pairs(t, annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())))) }
        }
    }
}

const KIND: Column = Column { label: |t| t.kind, class: "main" };
const TAG: Column = Column { label: |t| t.tag, class: "" };

fn referrers(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    let t = frame.texts();
    let rows = html! { @for referrer in &page.referrers { tr role="row" { (referrer_cells(frame, page.name, referrer)) } } };
    html! {
        section {
            h2 { (t.attachments) }
            @if page.referrers.is_empty() {
                p.note { (t.no_attachments) }
            } @else {
                p.note { (t.attachments_not_verified) }
                (table(t, t.attachments, &[KIND, SIZE, TAG, DIGEST], rows))
            }
        }
    }
}

fn referrer_cells(frame: &Frame<'_>, name: &str, referrer: &Referrer) -> Markup {
    let t = frame.texts();
    let path = PagePath::by_digest(name, &referrer.digest);
    let size = referrer.size.map(Size);
    let tag = referrer.tag.as_deref();
    let kind = html! {
        (link::link(frame, path.as_ref(), Untrusted(&in_words(t, &referrer.kind))))
        @for signer in &referrer.signers { div.below.small { (t.names_signer.with([&Untrusted(signer)])) } }
        @if let Some(pushed) = &referrer.pushed { div.below.small { (t.attachment_pushed.with([&activity::done(frame, pushed)])) } }
    };
    html! {
        (head_cell(KIND, kind))
        (cell(t, SIZE, html! { @if let Some(size) = size { (size) } @else { span.quiet { (t.unknown) } } }))
        (cell(t, TAG, html! { @if let Some(tag) = tag { (cut(tag)) } @else { span.quiet { (t.no_tag) } } }))
        (cell(t, DIGEST, digest(&referrer.digest)))
    }
}
