//! The meaning of a Go regular expression, independent of either engine's notation.

/// A part of a regular expression.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Empty,
    Literal {
        c: char,
        fold: bool,
    },
    Class(Class),
    Look(Look),
    /// `(…)` that captures, or `(?:…)`.
    Group {
        captures: bool,
        inner: Box<Node>,
    },
    Repeat(Repeat),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    /// The placeholder with this index, to be taken literally.
    Hole {
        index: usize,
        fold: bool,
    },
}

/// A set of characters, in the notation of the `regex` crate: what stands between its brackets.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) items: String,
    /// True if case does not matter.
    pub(super) fold: bool,
}

/// A condition on a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    /// `\b`, of ASCII words.
    WordBoundary,
    /// `\B`.
    NotWordBoundary,
}

/// `*`, `+`, `?`, `{2,5}`.
#[derive(Debug, Clone)]
pub(super) struct Repeat {
    pub(super) inner: Box<Node>,
    pub(super) min: u32,
    /// `None` for without end.
    pub(super) max: Option<u32>,
    pub(super) greedy: bool,
    /// True if it was written with braces: only those count against the limit on nested repetition.
    pub(super) counted: bool,
}

impl Class {
    /// The class as the `regex` crate writes it.
    pub(super) fn to_pattern(&self) -> String {
        let negation = if self.negated { "^" } else { "" };
        let class = format!("[{negation}{}]", self.items);
        if self.fold { format!("(?i:{class})") } else { class }
    }
}

impl Node {
    /// Calls `visit` for this part and every part inside it; the flag says whether it stands inside a repetition.
    pub(super) fn walk(&self, repeated: bool, visit: &mut impl FnMut(&Node, bool)) {
        visit(self, repeated);
        match self {
            Self::Group { inner, .. } => inner.walk(repeated, visit),
            Self::Repeat(repeat) => repeat.inner.walk(repeated || repeat.max != Some(1), visit),
            Self::Concat(nodes) | Self::Alternate(nodes) => {
                nodes.iter().for_each(|n| n.walk(repeated, visit));
            }
            _ => {}
        }
    }

    /// Returns true if counted repetitions, multiplied along every path, stay within `limit`, as Go demands (1,000).
    pub(super) fn repeats_within(&self, limit: u32) -> bool {
        match self {
            Self::Group { inner, .. } => inner.repeats_within(limit),
            Self::Concat(nodes) | Self::Alternate(nodes) => nodes.iter().all(|n| n.repeats_within(limit)),
            Self::Repeat(repeat) if !repeat.counted => repeat.inner.repeats_within(limit),
            Self::Repeat(repeat) => match repeat.max.unwrap_or(repeat.min) {
                0 => repeat.max.is_some() || repeat.inner.repeats_within(limit),
                count => count <= limit && repeat.inner.repeats_within(limit / count),
            },
            _ => true,
        }
    }
}
