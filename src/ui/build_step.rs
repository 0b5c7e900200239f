//! A step in which an image was made, as its author wrote it: the history has what builders make of the line.

use maud::{Markup, html};

use super::{texts::Texts, untrusted::Untrusted};

/// A line of a Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BuildStep<'a> {
    /// `RUN`, `COPY` and the like; `None` when it is in other words.
    instruction: Option<&'a str>,
    /// The rest of the line.
    rest: &'a str,
    /// The build arguments that a command ran with, `NAME=value` one after the other; empty for none.
    arguments: &'a str,
}

/// <https://docs.docker.com/reference/dockerfile/>
const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The prefix that docker's older builder writes before an instruction that runs nothing.
const RUNS_NOTHING: &str = "/bin/sh -c #(nop)";
/// The prefix that both builders write before a command.
const SHELL: &str = "/bin/sh -c ";
/// The suffix that BuildKit writes.
const BUILDKIT: &str = "# buildkit";

/// Characters of a step that are shown at once.
const SHOWN: usize = 180;

impl<'a> BuildStep<'a> {
    /// Reads `created_by`. Whatever it is, all that its author wrote stays.
    pub(super) fn parse(created_by: &'a str) -> Self {
        let text = created_by.trim();
        let text = text.strip_suffix(BUILDKIT).unwrap_or(text).trim_end();
        if let Some(text) = text.strip_prefix(RUNS_NOTHING) {
            return Self::split(text.trim_start());
        }
        let step = Self::split(text);
        if !matches!(step.instruction, None | Some("RUN")) {
            return step;
        }
        let (arguments, line) = build_arguments(step.rest).unwrap_or(("", step.rest));
        match line.strip_prefix(SHELL) {
            Some(command) => Self { instruction: Some("RUN"), rest: command.trim_start(), arguments },
            None => step,
        }
    }

    fn split(text: &'a str) -> Self {
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match INSTRUCTIONS.contains(&first) {
            true => Self { instruction: Some(first), rest: rest.trim_start(), arguments: "" },
            false => Self { instruction: None, rest: text, arguments: "" },
        }
    }

    /// The line; the end of a long one is folded away.
    pub(super) fn render(self, t: &Texts) -> Markup {
        let line = match self.rest.char_indices().nth(SHOWN) {
            None => self.line(self.rest),
            Some((cut, _)) => html! {
                details.fold {
                    summary { (self.line(self.rest.split_at(cut).0)) span.more { (t.show_all_of_it) } span.less { (t.show_less) } }
                    (self.line(self.rest))
                }
            },
        };
        html! {
            (line)
            @if !self.arguments.is_empty() {
                details.fold { summary { span.quiet { (t.build_arguments) } } code.step { (Untrusted(self.arguments)) } }
            }
        }
    }

    fn line(self, rest: &str) -> Markup {
        html! {
            code.step {
                @if let Some(instruction) = self.instruction { b { (instruction) } " " }
                (Untrusted(rest))
            }
        }
    }
}

/// Splits `|2 A=b C=d /bin/sh -c make`, as builders write a command that ran with build arguments, before the shell.
/// Values may have spaces, so the shell is what ends them.
fn build_arguments(text: &str) -> Option<(&str, &str)> {
    let (count, rest) = text.strip_prefix('|')?.split_once(' ')?;
    count.parse::<u16>().ok()?;
    let end = rest.find(SHELL)?;
    let (arguments, line) = rest.split_at(end);
    Some((arguments.trim_end(), line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Language;

    #[test]
    fn what_builders_add_is_taken_off() {
        for (created_by, instruction, rest) in [
            ("/bin/sh -c #(nop)  CMD [\"bash\"]", Some("CMD"), "[\"bash\"]"),
            ("/bin/sh -c #(nop) ADD file:1 in / ", Some("ADD"), "file:1 in /"),
            ("/bin/sh -c apt-get update", Some("RUN"), "apt-get update"),
            ("RUN /bin/sh -c apk add curl # buildkit", Some("RUN"), "apk add curl"),
            ("COPY . /app # buildkit", Some("COPY"), ". /app"),
            ("WORKDIR", Some("WORKDIR"), ""),
            (
                "# debian.sh --arch 'amd64' out/ 'bookworm'",
                None,
                "# debian.sh --arch 'amd64' out/ 'bookworm'",
            ),
            ("crane append", None, "crane append"),
            ("", None, ""),
        ] {
            assert_eq!(
                BuildStep::parse(created_by),
                BuildStep { instruction, rest, arguments: "" },
                "{created_by}"
            );
        }
    }

    #[test]
    fn build_arguments_stand_apart_from_the_command() {
        for (created_by, rest, arguments) in [
            ("RUN |1 A=b /bin/sh -c make # buildkit", "make", "A=b"),
            ("RUN |2 A=b c C=d /bin/sh -c make && sh -c x # buildkit", "make && sh -c x", "A=b c C=d"),
            ("|1 VERSION=1.2 /bin/sh -c ./build", "./build", "VERSION=1.2"),
            ("RUN |0 /bin/sh -c true", "true", ""),
            // Another shell, or none: all of it stays where it is.
            ("RUN |1 A=b /bin/bash -o pipefail -c make", "|1 A=b /bin/bash -o pipefail -c make", ""),
            ("RUN |x /bin/sh -c make", "|x /bin/sh -c make", ""),
        ] {
            assert_eq!(
                BuildStep::parse(created_by),
                BuildStep { instruction: Some("RUN"), rest, arguments },
                "{created_by}"
            );
        }
        let shown =
            BuildStep::parse("RUN |1 A=<b> /bin/sh -c make").render(Language::English.texts()).into_string();
        assert!(shown.contains("make") && shown.contains("A=&lt;b&gt;"), "{shown}");
    }

    #[test]
    fn a_long_step_is_folded_and_there_as_a_whole() {
        let long = "é".repeat(SHOWN + 1);
        assert!(BuildStep::parse(&long).render(Language::English.texts()).into_string().contains("<details"));
        assert!(BuildStep::parse(&long).render(Language::English.texts()).into_string().contains(&long));
        assert!(
            !BuildStep::parse(&long[2..])
                .render(Language::English.texts())
                .into_string()
                .contains("<details")
        );
    }
}
