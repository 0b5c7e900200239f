//! The commands that fetch an image or another artifact, for the clients that can.

use maud::{Markup, html};

use crate::ui::{
    copyable::{command, pinned, reference},
    model::{Content, Frame, ImagePage},
    name::Called,
};

/// A command, and what it is for.
type Command = (&'static str, String);

/// Renders the commands: those that most visitors take, and folded, those of other clients.
pub(super) fn commands(frame: &Frame<'_>, page: &ImagePage<'_>, called: Called<'_>) -> Markup {
    let (by_tag, by_digest) = (reference(frame.host, called), pinned(frame.host, called));
    let (verb, first, others) = match &page.content {
        Content::Artifact { kind, .. } => of_artifact(kind, &by_tag, &by_digest, frame, called),
        _ => ("Pull", format!("docker pull {by_tag}"), of_image(&by_tag, &by_digest)),
    };
    let pinned = match &page.content {
        Content::Artifact { .. } => by_digest,
        _ => format!("docker pull {by_digest}"),
    };
    html! {
        dl.commands {
            @if called.tag.is_some() { div { dt { (verb) " by tag" } dd { (command(&first)) } } }
            div { dt { @if verb == "Pull" { (verb) } @else { "Reference" } " by digest: always the very same" } dd { (command(&pinned)) } }
        }
        details.guide.others {
            summary { "Other clients" }
            dl.commands { @for (client, line) in &others { div { dt { (client) } dd { (command(line)) } } } }
        }
    }
}

fn of_image(by_tag: &str, by_digest: &str) -> Vec<Command> {
    vec![
        ("podman", format!("podman pull {by_tag}")),
        ("nerdctl", format!("nerdctl pull {by_tag}")),
        ("skopeo: look at it", format!("skopeo inspect docker://{by_tag}")),
        ("crane: into a file", format!("crane pull {by_tag} image.tar")),
        ("oras: its manifest", format!("oras manifest fetch {by_tag}")),
        ("cosign: verify by a key", format!("cosign verify --key cosign.pub {by_digest}")),
        (
            "cosign: verify by an identity",
            format!(
                "cosign verify --certificate-identity=IDENTITY --certificate-oidc-issuer=ISSUER {by_digest}"
            ),
        ),
        ("Kubernetes, compose", format!("image: {by_digest}")),
        ("Dockerfile", format!("FROM {by_digest}")),
    ]
}

/// The verb, the first command and the others for something that is no image. Without a client for its kind, the first
/// is the reference alone.
fn of_artifact(
    kind: &str,
    by_tag: &str,
    by_digest: &str,
    frame: &Frame<'_>,
    called: Called<'_>,
) -> (&'static str, String, Vec<Command>) {
    let oras = vec![
        ("oras", format!("oras pull {by_digest}")),
        ("cosign: verify by a key", format!("cosign verify --key cosign.pub {by_digest}")),
    ];
    match (kind, called.tag) {
        ("Helm chart", Some(tag)) => {
            // A tag has no `+`: Helm writes `_` for it.
            let (chart, version) = (format!("oci://{}/{}", frame.host, called.name), tag.replace('_', "+"));
            let release = called.name.rsplit('/').next().unwrap_or(called.name);
            let others = vec![
                ("helm: install it", format!("helm install {release} {chart} --version {version}")),
                ("helm: its values", format!("helm show values {chart} --version {version}")),
            ];
            ("Pull", format!("helm pull {chart} --version {version}"), [others, oras].concat())
        }
        ("docker plugin", _) => ("Install", format!("docker plugin install {by_tag}"), oras),
        ("Singularity image", _) => ("Pull", format!("apptainer pull oras://{by_tag}"), oras),
        _ => ("Reference", by_tag.to_owned(), oras),
    }
}
