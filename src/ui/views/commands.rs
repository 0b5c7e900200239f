//! The commands that fetch an image or another artifact, for the clients that can.

use maud::{Markup, html};

use crate::ui::{
    copyable::{command, pinned, pull_command, reference},
    link,
    model::{Content, Frame, ImagePage, Tool},
    name::Called,
    path::PagePath,
};

/// A command, and what it is for.
type Command = (&'static str, String);

/// Renders the commands: those that most visitors take, and folded, those of other clients.
pub(super) fn commands(frame: &Frame<'_>, page: &ImagePage<'_>, called: Called<'_>) -> Markup {
    let t = frame.texts();
    let (by_tag, by_digest) = (reference(frame.host, called), pinned(frame.host, called));
    let (label, first, others) = match &page.content {
        Content::Artifact { kind, .. } => of_artifact(kind, (&by_tag, &by_digest), frame, called),
        _ => (t.pull_by_tag, pull_command(frame, called), of_image(frame, &by_tag, &by_digest)),
    };
    let (pinned_label, pinned) = match &page.content {
        Content::Artifact { .. } => (t.reference_by_digest, by_digest),
        _ => (t.pull_by_digest, format!("{} pull {by_digest}", frame.tool.name())),
    };
    let is_artifact = matches!(page.content, Content::Artifact { .. });
    html! {
        @if !is_artifact { (tools(frame)) }
        dl.commands {
            @if called.tag.is_some() { div { dt { (label) } dd { (command(&first)) } } }
            div { dt { (pinned_label) } dd { (command(&pinned)) } }
        }
        details.guide.others {
            summary { (t.other_clients) }
            dl.commands { @for (client, line) in &others { div { dt { (client) } dd { (command(line)) } } } }
        }
    }
}

/// The switch for the client in the commands, which all pages remember: buttons of a form, so that it needs no script.
fn tools(frame: &Frame<'_>) -> Markup {
    html! {
        form.tools method="post" action=(link::to(frame, &PagePath::Preferences)) {
            input type="hidden" name="next" value=(frame.here);
            div.switch role="group" aria-label=(frame.texts().client_in_commands) {
                @for tool in Tool::ALL {
                    @let is_current = if tool == frame.tool { "true" } else { "false" };
                    button type="submit" name="tool" value=(tool.name()) aria-pressed=(is_current) { (tool.name()) }
                }
            }
        }
    }
}

fn of_image(frame: &Frame<'_>, by_tag: &str, by_digest: &str) -> Vec<Command> {
    let t = frame.texts();
    vec![
        (t.skopeo_inspect, format!("skopeo inspect docker://{by_tag}")),
        (t.crane_file, format!("crane pull {by_tag} image.tar")),
        (t.oras_manifest, format!("oras manifest fetch {by_tag}")),
        (t.cosign_by_key, format!("cosign verify --key cosign.pub {by_digest}")),
        (
            t.cosign_by_identity,
            format!(
                "cosign verify --certificate-identity=IDENTITY --certificate-oidc-issuer=ISSUER {by_digest}"
            ),
        ),
        ("Kubernetes, compose", format!("image: {by_digest}")),
        ("Dockerfile", format!("FROM {by_digest}")),
    ]
}

/// The label, the first command and the others for something that is no image. Without a client for its kind, the first
/// is the reference alone.
fn of_artifact(
    kind: &str,
    (by_tag, by_digest): (&str, &str),
    frame: &Frame<'_>,
    called: Called<'_>,
) -> (&'static str, String, Vec<Command>) {
    let t = frame.texts();
    let oras = vec![
        ("oras", format!("oras pull {by_digest}")),
        (t.cosign_by_key, format!("cosign verify --key cosign.pub {by_digest}")),
    ];
    match (kind, called.tag) {
        ("Helm chart", Some(tag)) => {
            // A tag has no `+`: Helm writes `_` for it.
            let (chart, version) = (format!("oci://{}/{}", frame.host, called.name), tag.replace('_', "+"));
            let release = called.name.rsplit('/').next().unwrap_or(called.name);
            let others = vec![
                (t.helm_install, format!("helm install {release} {chart} --version {version}")),
                (t.helm_values, format!("helm show values {chart} --version {version}")),
            ];
            (t.pull_by_tag, format!("helm pull {chart} --version {version}"), [others, oras].concat())
        }
        ("docker plugin", _) => (t.install_by_tag, format!("docker plugin install {by_tag}"), oras),
        ("Singularity image", _) => (t.pull_by_tag, format!("apptainer pull oras://{by_tag}"), oras),
        _ => (t.reference_by_tag, by_tag.to_owned(), oras),
    }
}
