//! A step in which an image was made, as its author wrote it: the history has what builders make of the line.

use maud::{Markup, html};

use super::untrusted::Untrusted;

/// A line of a Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step<'a> {
    /// `RUN`, `COPY` and the like; `None` when it is in other words.
    instruction: Option<&'a str>,
    /// What follows.
    rest: &'a str,
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

/// What docker's older builder writes before an instruction that runs nothing.
const RUNS_NOTHING: &str = "/bin/sh -c #(nop)";
/// What both builders write before a command.
const SHELL: &str = "/bin/sh -c ";
/// What BuildKit writes behind.
const BUILDKIT: &str = "# buildkit";

/// Characters of a step that are shown at once.
const SHOWN: usize = 180;

impl<'a> Step<'a> {
    /// Reads `created_by`. Whatever it is, all that its author wrote stays.
    pub(super) fn parse(created_by: &'a str) -> Self {
        let text = created_by.trim();
        let text = text.strip_suffix(BUILDKIT).unwrap_or(text).trim_end();
        if let Some(text) = text.strip_prefix(RUNS_NOTHING) {
            return Self::split(text.trim_start());
        }
        if let Some(command) = text.strip_prefix(SHELL) {
            return Self { instruction: Some("RUN"), rest: command.trim_start() };
        }
        let step = Self::split(text);
        match step.rest.strip_prefix(SHELL) {
            Some(command) if step.instruction == Some("RUN") => Self { rest: command.trim_start(), ..step },
            _ => step,
        }
    }

    fn split(text: &'a str) -> Self {
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match INSTRUCTIONS.contains(&first) {
            true => Self { instruction: Some(first), rest: rest.trim_start() },
            false => Self { instruction: None, rest: text },
        }
    }

    /// The line; the end of a long one is folded away.
    pub(super) fn render(self) -> Markup {
        let Some((cut, _)) = self.rest.char_indices().nth(SHOWN) else { return self.line(self.rest) };
        let (start, _) = self.rest.split_at(cut);
        html! {
            details.fold {
                summary { (self.line(start)) span.more { "… show all" } span.less { "Show less" } }
                (self.line(self.rest))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builders_add_is_taken_off() {
        for (created_by, instruction, rest) in [
            ("/bin/sh -c #(nop)  CMD [\"bash\"]", Some("CMD"), "[\"bash\"]"),
            ("/bin/sh -c #(nop) ADD file:1 in / ", Some("ADD"), "file:1 in /"),
            ("/bin/sh -c apt-get update", Some("RUN"), "apt-get update"),
            ("RUN /bin/sh -c apk add curl # buildkit", Some("RUN"), "apk add curl"),
            ("RUN |1 A=b /bin/sh -c make # buildkit", Some("RUN"), "|1 A=b /bin/sh -c make"),
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
            assert_eq!(Step::parse(created_by), Step { instruction, rest }, "{created_by}");
        }
    }

    #[test]
    fn a_long_step_is_folded_and_there_as_a_whole() {
        let long = "é".repeat(SHOWN + 1);
        assert!(Step::parse(&long).render().into_string().contains("<details"));
        assert!(Step::parse(&long).render().into_string().contains(&long));
        assert!(!Step::parse(&long[2..]).render().into_string().contains("<details"));
    }
}
