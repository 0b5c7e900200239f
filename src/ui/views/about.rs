//! The facts that an image or a chart states of itself: by the annotations of the OCI image specification (`annotations.md`), or in
//! its `Chart.yaml`.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::{
    image::HelmChart,
    ui::{
        outside::outside,
        texts::{LabelOf, Texts},
        untrusted::Untrusted,
    },
};

/// The start of the names.
const OCI: &str = "org.opencontainers.image.";

/// The facts, by the end of their name, in the order in which they stand; true for addresses.
const FACTS: [(&str, LabelOf, bool); 8] = [
    ("version", |t| t.version, false),
    ("source", |t| t.source, true),
    ("revision", |t| t.revision, false),
    ("licenses", |t| t.licence, false),
    ("documentation", |t| t.documentation, true),
    ("url", |t| t.home_page, true),
    ("vendor", |t| t.vendor, false),
    ("base.name", |t| t.base_image, false),
];

/// Renders the description and the facts; nothing if there are none.
pub(super) fn about(t: &Texts, labels: &BTreeMap<String, String>) -> Markup {
    let get = |name: &str| labels.get(&format!("{OCI}{name}")).filter(|text| !text.trim().is_empty());
    let facts: Vec<(&str, Markup)> = FACTS
        .into_iter()
        .filter_map(|(name, label, is_address)| {
            let text = get(name)?;
            Some((
                label(t),
                if is_address {
                    outside(text)
                } else {
                    html! { (Untrusted(text)) }
                },
            ))
        })
        .collect();
    html! {
        @if let Some(description) = get("description") { p.lead.about { (Untrusted(description)) } }
        (list(&facts))
    }
}

/// Renders the description and the fields of a chart.
pub(super) fn chart(t: &Texts, chart: &HelmChart) -> Markup {
    let text = |text: &Option<String>| text.as_deref().map(|text| html! { (Untrusted(text)) });
    let words = |words: &[String]| (!words.is_empty()).then(|| html! { (Untrusted(&words.join(", "))) });
    let sources = || html! { @for source in &chart.sources { div { (outside(source)) } } };
    let facts: Vec<(&str, Markup)> = [
        (t.chart, text(&chart.name)),
        (t.version, text(&chart.version)),
        (t.application_version, text(&chart.app_version)),
        (t.chart_type, text(&chart.kind)),
        ("Kubernetes", text(&chart.kube_version)),
        (t.home_page, chart.home.as_deref().map(outside)),
        (t.sources, (!chart.sources.is_empty()).then(sources)),
        (t.maintainers, words(&chart.maintainers)),
    ]
    .into_iter()
    .filter_map(|(label, fact)| Some((label, fact?)))
    .collect();
    html! {
        @if let Some(description) = &chart.description { p.lead.about { (Untrusted(description)) } }
        @if chart.is_deprecated { div.notice.bad { p { (t.chart_is_deprecated) } } }
        (list(&facts))
        @if !chart.dependencies.is_empty() {
            section {
                h2 { (t.dependencies) }
                dl.pairs {
                    @for needed in &chart.dependencies {
                        div {
                            dt { (Untrusted(&needed.name)) " " (Untrusted(needed.version.as_deref().unwrap_or_default())) }
                            dd { (Untrusted(needed.repository.as_deref().unwrap_or(t.not_stated))) }
                        }
                    }
                }
            }
        }
    }
}

fn list(facts: &[(&str, Markup)]) -> Markup {
    html! {
        @if !facts.is_empty() {
            dl.facts.about { @for (label, fact) in facts { div { dt { (label) } dd { (fact) } } } }
        }
    }
}
