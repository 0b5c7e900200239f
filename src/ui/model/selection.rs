//! Several tags that are deleted at once, as the pages before and after that show them.

/// The page that asks before several tags are deleted.
#[derive(Debug, Clone)]
pub struct TagsDeletion<'a> {
    /// The repository.
    pub name: &'a str,
    /// The tags that were selected, in their order.
    pub tags: Vec<SelectedTag>,
    /// The number of further ones, which are too many for one deletion.
    pub left_out: usize,
    /// The CSRF token that forms send along.
    pub csrf: &'a str,
}

/// A tag that was selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedTag {
    /// The tag.
    pub tag: String,
    /// Its fate.
    pub fate: TagFate,
}

/// The fate of a tag that was selected, if the form is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagFate {
    /// It goes.
    Goes {
        /// The digest that it names.
        digest: String,
        /// The tags on that digest that stay; `None` where that is not known.
        staying: Option<Vec<String>>,
        /// The number of tags that attach something to the digest, such as a signature. They stay.
        attachments: usize,
    },
    /// It stays: it is write-once.
    Locked,
    /// It stays: the visitor may not delete it. Why, in a sentence.
    Denied(String),
    /// There is no such tag.
    Gone,
    /// It stays: it cannot be read just now.
    Unread,
}

/// The page that says what became of several tags.
#[derive(Debug, Clone)]
pub struct TagsDeleted<'a> {
    /// The repository.
    pub name: &'a str,
    /// The tags, in the order in which they were deleted.
    pub tags: Vec<(String, TagResult)>,
}

/// The result of the deletion of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagResult {
    /// It is deleted.
    Deleted,
    /// It names another digest than the one that was shown, and stays.
    Changed,
    /// There is no such tag.
    Gone,
    /// It was not deleted, or that is not known. Why, in a sentence.
    Failed(String),
    /// The time was over before its turn.
    NotTried,
}
