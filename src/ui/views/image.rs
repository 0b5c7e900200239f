//! A manifest, looked into: an image, an index of platforms, or something else that is kept in a registry.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{
    about, activity,
    commands::commands,
    configuration::{configuration, pairs},
    layers::layers,
    repository::write_once,
};
use crate::{
    image::Descriptor,
    ui::{
        age::Age,
        amount::{Count, Size, counted},
        copyable::{cut, digest, digest_of, whole_digest},
        layout::{Document, breadcrumbs},
        link,
        model::{Content, Frame, ImagePage, IndexEntry, NoConfig, Referrer, StoreFault},
        name::{Called, Name},
        path::PagePath,
        sizes::Sizes,
        table::{Column, cell, head_cell, table},
        untrusted::Untrusted,
    },
};

/// Renders the page of a manifest.
pub fn image(frame: &Frame<'_>, page: &ImagePage<'_>) -> String {
    let called = Called { name: page.name, tag: page.tag, digest: page.digest };
    let path = match page.tag {
        Some(tag) => PagePath::tagged(page.name, tag),
        None => PagePath::by_digest(page.name, page.digest),
    };
    let content = html! {
        (breadcrumbs(frame, &[
            (Some(PagePath::Repositories), html! { "Repositories" }),
            (PagePath::repository(page.name), html! { (Name(page.name)) }),
        ]))
        div.heading {
            h1 { (called) @if page.is_write_once { " " (write_once()) } }
            @if page.tag.is_some() { (comparison(frame, page)) }
            @if page.may_delete_tag { (tag_deletion(frame, page)) }
            @if page.may_delete { (deletion(frame, page)) }
        }
        @match &page.content {
            Content::Artifact { chart: Some(chart), .. } => { (about::chart(chart)) }
            _ => { (about::about(&page.about)) }
        }
        (commands(frame, page, called))
        (facts(frame, page))
        (inside(frame, page))
        (annotations(page.annotations))
        (referrers(frame, page))
    };
    Document { title: &called.to_string(), path: path.as_ref(), class: "wide" }.render(frame, &content)
}

fn comparison(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    html! {
        @if let Some(path) = PagePath::comparison(page.name) {
            a.button href=(link::with(frame, &path, &[("from", page.tag.unwrap_or_default())])) { "Compare…" }
        }
    }
}

fn tag_deletion(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    html! {
        @if let Some(path) = PagePath::tag_deletion(page.name, page.tag.unwrap_or_default()) {
            a.button href=(link::to(frame, &path)) { "Delete this tag…" }
        }
    }
}

fn deletion(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    html! {
        @if let Some(path) = PagePath::deletion(page.name, page.digest) {
            a.button.danger href=(link::with(frame, &path, &[("tag", page.tag.unwrap_or_default())])) { "Delete the image…" }
        }
    }
}

fn facts(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    html! {
        dl.facts {
            @match &page.content {
                Content::Image { layers, config } => {
                    @if let Ok(config) = config {
                        div { dt { "Platform" } dd { (Untrusted(&config.platform.to_string())) } }
                    }
                    div { dt { "Size" } dd { (size(page)) " in " (counted(layers.len(), "layer", "layers")) } }
                    @if let Ok(config) = config {
                        @if let Some(timestamp) = config.created { div { dt { "Created" } dd { (Age { timestamp, now: frame.now }) } } }
                        @if let Some(author) = &config.author { div { dt { "Author" } dd { (Untrusted(author)) } } }
                    }
                }
                Content::Index(entries) => {
                    div { dt { "Kind" } dd { "Image for several platforms" } }
                    div { dt { "Platforms" } dd { (Count(runnable(entries).count() as u64)) } }
                    div { dt { "Size" } dd { (sizes(page, entries)) } }
                }
                Content::Artifact { kind, files, .. } => {
                    div { dt { "Kind" } dd { (Untrusted(kind)) } }
                    div { dt { "Size" } dd { (size(page)) " in " (counted(files.len(), "file", "files")) } }
                }
                Content::Unknown => {}
            }
            @if let Some(known) = &page.activity { (activity::facts(frame, known)) }
            div.long { dt { "Digest" } dd { (whole_digest(page.digest)) } }
            div.long { dt { "Media type" } dd { code { (Untrusted(page.media_type)) } } }
        }
    }
}

fn explained(why: &NoConfig) -> String {
    match why {
        NoConfig::Unreadable => "It is missing, too large or not JSON, or its digest is not SHA-256.".to_owned(),
        NoConfig::Elsewhere(None) => {
            "The registry keeps blobs in an object store and redirects clients there, which these pages do not follow. \
             With storage.redirect.disable: true in its configuration they can be read here."
                .to_owned()
        }
        NoConfig::Elsewhere(Some(origin)) => format!(
            "The registry keeps blobs in an object store and redirects clients there, which these pages do not follow. \
             They can be read here with {origin} in Portwarden's registry.follow_redirects, or with \
             storage.redirect.disable: true in the registry's configuration."
        ),
        NoConfig::Store { origin, fault } => match fault {
            StoreFault::Unreachable => {
                format!("The object store at {origin} cannot be reached. The log of Portwarden has the reason.")
            }
            StoreFault::Redirects => {
                format!("The object store at {origin} redirects further, and these pages follow one redirect only.")
            }
            StoreFault::Status(403) => format!(
                "The object store at {origin} refused the request with status 403: the signature in the registry's \
                 redirect has expired, or is not valid there."
            ),
            StoreFault::Status(status) => format!("The object store at {origin} answered with status {status}."),
            StoreFault::TooLarge => format!("The object store at {origin} sent more than 512 KiB."),
            StoreFault::WrongDigest => {
                format!("The content that the object store at {origin} sent does not have the digest of this blob.")
            }
        },
    }
}

/// The size that the list of tags shows as well.
fn size(page: &ImagePage<'_>) -> Markup {
    html! { @if let Some(size) = page.size { (Size(size)) } @else { span.quiet { "unknown" } } }
}

/// The sizes that the list of tags shows as well.
fn sizes(page: &ImagePage<'_>, entries: &[IndexEntry]) -> Markup {
    let sizes = Sizes(runnable(entries).map(|entry| entry.size).collect());
    html! {
        @if let Some(one) = sizes.of_one() { (one) " for one platform" @if let Some(sum) = page.size { ", " (sizes.of_all(sum)) } }
        @else { (size(page)) }
    }
}

fn inside(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    html! {
        @match &page.content {
            Content::Image { layers: parts, config } => {
                (layers(parts, config.as_ref().map_or(&[], |config| &config.history)))
                @match config {
                    Ok(config) => { (configuration(config)) }
                    Err(why) => {
                        div.notice role="status" {
                            p { strong { "The configuration of this image cannot be read." } }
                            p { (explained(why)) " How the layers were made and what they run is not known." }
                        }
                    }
                }
            }
            Content::Index(entries) => { (platforms(frame, page, entries)) }
            Content::Artifact { files: parts, .. } => { (files(parts)) }
            Content::Unknown => {
                div.notice role="status" {
                    p { strong { "Its content cannot be shown." } }
                    p { "Its manifest is of an old or unknown kind, or too large. Clients that know it can still pull it." }
                }
            }
        }
    }
}

const PLATFORM: Column = Column { label: "Platform", class: "main" };
const SIZE: Column = Column { label: "Size", class: "number" };
const DIGEST: Column = Column { label: "Digest", class: "" };

fn platforms(frame: &Frame<'_>, page: &ImagePage<'_>, entries: &[IndexEntry]) -> Markup {
    let rows =
        html! { @for entry in runnable(entries) { tr role="row" { (entry_cells(frame, page, entry)) } } };
    let attesting: Vec<&IndexEntry> = entries.iter().filter(|entry| entry.attests.is_some()).collect();
    html! {
        section {
            h2 { "Platforms" }
            (table("Platforms", &[PLATFORM, SIZE, DIGEST], rows))
            @if !attesting.is_empty() { (attestations(frame, page, entries, &attesting)) }
        }
    }
}

fn runnable(entries: &[IndexEntry]) -> impl Iterator<Item = &IndexEntry> {
    entries.iter().filter(|entry| entry.attests.is_none())
}

fn entry_cells(frame: &Frame<'_>, page: &ImagePage<'_>, entry: &IndexEntry) -> Markup {
    let platform = entry.platform.as_ref().map_or("not stated".to_owned(), ToString::to_string);
    let path = PagePath::by_digest(page.name, &entry.digest);
    html! {
        (head_cell(PLATFORM, link::link(frame, path.as_ref(), Untrusted(&platform))))
        (cell(SIZE, html! { @if let Some(size) = entry.size { (Size(size)) } @else { span.quiet { "unknown" } } }))
        (cell(DIGEST, digest(&entry.digest)))
    }
}

const ATTESTATION: Column = Column { label: "Attestation", class: "main" };
const ATTESTS: Column = Column { label: "About", class: "" };

fn attestations(
    frame: &Frame<'_>,
    page: &ImagePage<'_>,
    entries: &[IndexEntry],
    attesting: &[&IndexEntry],
) -> Markup {
    let rows = html! {
        @for entry in attesting {
            tr role="row" {
                (head_cell(ATTESTATION, digest_of(frame, page.name, &entry.digest)))
                (cell(ATTESTS, subject(entries, entry.attests.as_deref().unwrap_or_default())))
            }
        }
    };
    html! {
        details.card {
            summary { (counted(attesting.len(), "attestation", "attestations")) ": what builders say about how it was made" }
            (table("Attestations", &[ATTESTATION, ATTESTS], rows))
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

const FILE: Column = Column { label: "File", class: "main" };
const MEDIA_TYPE: Column = Column { label: "Media type", class: "" };

/// The annotation in which builders of artifacts name a file (OCI image specification).
const TITLE: &str = "org.opencontainers.image.title";

fn files(files: &[Descriptor]) -> Markup {
    let rows = html! {
        @for file in files {
            tr role="row" {
                (head_cell(FILE, Untrusted(file.annotations.get(TITLE).map_or("without a name", String::as_str))))
                (cell(SIZE, Size(file.size)))
                (cell(MEDIA_TYPE, html! { code.media { (Untrusted(&file.media_type)) } }))
                (cell(DIGEST, digest(&file.digest)))
            }
        }
    };
    html! {
        section {
            h2 { "Files" }
            @if files.is_empty() { p.note { "None." } } @else {
                (table("Files", &[FILE, SIZE, MEDIA_TYPE, DIGEST], rows))
            }
        }
    }
}

fn annotations(annotations: &BTreeMap<String, String>) -> Markup {
    html! {
        @if !annotations.is_empty() {
            section { h2 { "Annotations" } (pairs(annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())))) }
        }
    }
}

const KIND: Column = Column { label: "Kind", class: "main" };
const TAG: Column = Column { label: "Tag", class: "" };

fn referrers(frame: &Frame<'_>, page: &ImagePage<'_>) -> Markup {
    let rows = html! { @for referrer in &page.referrers { tr role="row" { (referrer_cells(frame, page.name, referrer)) } } };
    html! {
        section {
            h2 { "Signatures and attachments" }
            @if page.referrers.is_empty() {
                p.note { "Nothing is attached to it: no signature, no SBOM." }
            } @else {
                p.note { "Nothing here is verified. " code { "cosign verify" } " does that." }
                (table("Signatures and attachments", &[KIND, SIZE, TAG, DIGEST], rows))
            }
        }
    }
}

fn referrer_cells(frame: &Frame<'_>, name: &str, referrer: &Referrer) -> Markup {
    let path = PagePath::by_digest(name, &referrer.digest);
    let size = referrer.size.map(Size);
    let tag = referrer.tag.as_deref();
    let kind = html! {
        (link::link(frame, path.as_ref(), Untrusted(&referrer.kind)))
        @for signer in &referrer.signers { div.below.small { "names " (Untrusted(signer)) } }
        @if let Some(pushed) = &referrer.pushed { div.below.small { "pushed " (activity::done(frame, pushed)) } }
    };
    html! {
        (head_cell(KIND, kind))
        (cell(SIZE, html! { @if let Some(size) = size { (size) } @else { span.quiet { "unknown" } } }))
        (cell(TAG, html! { @if let Some(tag) = tag { (cut(tag)) } @else { span.quiet { "none" } } }))
        (cell(DIGEST, digest(&referrer.digest)))
    }
}
