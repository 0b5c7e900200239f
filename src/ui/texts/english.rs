//! The texts of the pages, and their English.
//!
//! A word or a label is a plain `&str`. [`Text`] has arguments, and [`Plural`] a number: see `template.rs`.

use super::template::{Plural, Text, plural, text};

/// Defines [`Texts`] with the English value of each of its fields.
macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $value:expr;)*) => {
        /// All texts of the pages in one language.
        #[derive(Debug)]
        pub(in crate::ui) struct Texts {
            $($(#[$doc])* pub(in crate::ui) $name: $kind,)*
        }

        pub(super) static TEXTS: Texts = Texts { $($name: $value,)* };
    };
}

type Label = &'static str;

/// A text for one, and for any other number.
const fn number<const N: usize>(forms: &'static [&'static str; 2]) -> Plural<N> {
    plural(forms, |count| usize::from(count != 1))
}

catalogue! {
    // The frame of each page.
    skip: Label = "Skip to the content";
    main_navigation: Label = "Main";
    breadcrumbs: Label = "Breadcrumbs";
    repositories: Label = "Repositories";
    my_access: Label = "My access";
    my_tokens: Label = "My tokens";
    events: Label = "Events";
    sign_in: Label = "Sign in";
    sign_out: Label = "Sign out";
    guarded_by: Label = "Guarded by Portwarden";
    language: Label = "Language";
    theme: Label = "Theme";
    theme_system: Label = "System";
    theme_light: Label = "Light";
    theme_dark: Label = "Dark";
    one_moment: Label = "One moment";
    go_on: Label = "Go on";

    // The script; it puts the text in the place of {0} itself.
    copy: Text<1> = text("Copy {0}");
    copied: Text<1> = text("Copied {0}");
    not_copied: Label = "Not copied: the browser did not allow it";

    // Lists.
    search: Label = "Search";
    search_everything: Label = "Search repositories, tags, digests";
    search_tags: Label = "Search tags";
    show_all: Label = "Show all";
    pages: Label = "Pages";
    previous: Label = "Previous";
    next: Label = "Next";
    page_number: Text<1> = text("Page {0}");
    /// The first, the last, and how many there are: "10,234 tags".
    part_of: Text<3> = text("{0}–{1} of {2}");
    unknown: Label = "unknown";
    none: Label = "None.";
    no_tag: Label = "none";
    not_stated: Label = "not stated";
    empty: Label = "empty";
    tags_counted: Plural = number(&["{0} tag", "{0} tags"]);
    repositories_counted: Plural = number(&["{0} repository", "{0} repositories"]);
    requests_counted: Plural = number(&["{0} request", "{0} requests"]);
    layers_counted: Plural = number(&["{0} layer", "{0} layers"]);
    files_counted: Plural = number(&["{0} file", "{0} files"]);
    days_counted: Plural = number(&["{0} day", "{0} days"]);
    tokens_counted: Plural = number(&["{0} token", "{0} tokens"]);

    // Times: years, months, weeks, days, hours, minutes.
    ago: [Plural; 6] = [
        number(&["{0} year ago", "{0} years ago"]),
        number(&["{0} month ago", "{0} months ago"]),
        number(&["{0} week ago", "{0} weeks ago"]),
        number(&["{0} day ago", "{0} days ago"]),
        number(&["{0} hour ago", "{0} hours ago"]),
        number(&["{0} minute ago", "{0} minutes ago"]),
    ];
    ahead: [Plural; 6] = [
        number(&["in {0} year", "in {0} years"]),
        number(&["in {0} month", "in {0} months"]),
        number(&["in {0} week", "in {0} weeks"]),
        number(&["in {0} day", "in {0} days"]),
        number(&["in {0} hour", "in {0} hours"]),
        number(&["in {0} minute", "in {0} minutes"]),
    ];
    just_now: Label = "just now";
    undated: Label = "undated";
    /// The year, the month, the day, and the time of the day, which is in UTC.
    date_and_time: Text<4> = text("{0}-{1}-{2} {3} UTC");
    in_seconds: Plural = number(&["in {0} second", "in {0} seconds"]);
    in_minutes: Plural = number(&["in {0} minute", "in {0} minutes"]);
    /// One of the two.
    try_again: Text<1> = text("Try again {0}.");

    // Repositories.
    repository: Label = "Repository";
    tags: Label = "Tags";
    last_push: Label = "Last push";
    pulls_in_30_days: Label = "Pulls in 30 days";
    /// The number, and the words that were searched for.
    found_in_names: Text<2> = text("{0} with **{1}** in the name");
    more_than_listed: Text<0> = text("This registry has more repositories than are listed here. Open any other by its name in the address: /team/app.");
    how_to_push: Label = "How to push an image";
    tags_found: Plural = number(&["{0} tag found", "{0} tags found"]);
    more_tags_found: Label = "There are more: add a word of the repository's name, or search on its page.";
    nothing_matches: Text<1> = text("Nothing matches “{0}”");
    none_of_all_matches: Plural = number(&[
        "The one repository that you may pull does not have this in its name, and no such tag was found.",
        "None of the {0} repositories that you may pull has this in its name, and no such tag was found.",
    ]);
    registry_is_empty: Label = "This registry is empty";
    first_image_appears: Label = "The first image that is pushed appears here.";
    nothing_to_see: Label = "Nothing to see yet";
    nothing_to_pull: Text<1> = text("There is no repository that **{0}** may pull.");
    /// The link to the page.
    access_explains: Text<1> = text("{0} shows what you may do, and by which rule. If you expected more, ask the operator of this registry.");
    want_to_push: Label = "Do you want to push an image?";
    appears_when_pushed: Label = "If the rules let you, it appears here as soon as it is pushed:";
    nothing_public: Label = "Nothing here is public";
    sign_in_to_see: Label = "Sign in to see the repositories of your account.";
    push_sign_in: Label = "Sign in with docker:";
    /// The link to the page of tokens.
    push_sign_in_with_token: Text<1> = text("Sign in with docker, with your password or a {0}:");
    personal_token: Label = "personal token";
    push_name: Label = "Give an image of yours a name in this registry:";
    push_push: Label = "Push it:";

    // A repository.
    tag: Label = "Tag";
    pushed: Label = "Pushed";
    size: Label = "Size";
    platforms: Label = "Platforms";
    platform: Label = "Platform";
    actions: Label = "Actions";
    compare_tags: Label = "Compare tags…";
    deleted_with_tags: Text<1> = text("**Deleted `{0}`** and every tag on it.");
    deleted_tag: Text<1> = text("**Deleted the tag `{0}`**; the image stays, by its digest and by any other tag.");
    /// The number of layers, and their size.
    layers_take: Plural<1> = number(&["Its {0} layer takes {1} in the registry's storage.", "Its {0} layers take {1} in the registry's storage."]);
    layers_shared_count: Label = "Those that other repositories have, too, count in full, and so do deleted ones until the registry collects its garbage.";
    how_to_push_here: Label = "How to push to this repository";
    found_tags: Text<2> = text("{0} with **{1}**");
    sorted_by_version: Label = ", sorted by version: there are too many to sort by date";
    latest_is_first: Text<0> = text("; `latest` is always first");
    order: Label = "Order";
    order_newest: Label = "Newest";
    order_version: Label = "Version";
    order_name: Label = "Name";
    could_not_be_read: Label = "Could not be read just now";
    more_platforms: Plural = number(&["+{0} more", "+{0} more"]);
    signed: Label = "signed";
    signed_explained: Label = "A signature is attached; it is not verified here";
    sbom: Label = "SBOM";
    sbom_explained: Label = "A list of its parts is attached";
    attested: Label = "attested";
    attested_explained: Label = "Attestations say how it was made; they are not verified here";
    more_attached: Plural = number(&["+{0} attached", "+{0} attached"]);
    locked: Label = "locked";
    locked_explained: Label = "This tag is write-once: it cannot be moved or deleted";
    delete: Label = "Delete";
    delete_the_tag: Label = "Delete tag";
    select_tag: Text<1> = text("Select {0}");
    delete_selected: Label = "Delete selected tags…";
    no_tags: Label = "No tags";
    no_tags_explained: Label = "Nothing has been pushed here yet, or all tags have been deleted.";
    no_tag_matches: Text<1> = text("No tag matches “{0}”");
    show_all_tags: Label = "Show all tags";
    /// A size, and the number of platforms.
    size_of_all: Text<2> = text("{0} for all {1}");
    /// The date in an image.
    created_at: Text<1> = text("created {0}");
    /// A time.
    done_anonymously: Text<1> = text("{0} without an account");
    /// A time, and an account.
    done_by: Text<2> = text("{0} by {1}");
    /// The last pull.
    pulls_last: Plural<1> = number(&["{0} pull in 30 days, last {1}", "{0} pulls in 30 days, last {1}"]);
    use_of_it: Label = "Use";
    kind: Label = "Kind";
    belongs_to: Label = "Belongs to";
    attachments_of_untagged: Label = "Attachments of images without a tag";
    attachments_of_untagged_counted: Plural = number(&["{0} attachment of images without a tag", "{0} attachments of images without a tag"]);
    attachments_of_untagged_explained: Label = "They belong to no tag above, but to one platform of an image, to an image that lost its tag, or to one that is gone.";
    more_not_listed: Plural = number(&["{0} more is not listed.", "{0} more are not listed."]);
    deleted: Label = "deleted";
    kind_signature: Label = "signature";
    kind_attestation: Label = "attestation";
    kind_referrers: Label = "list of referrers";
    kind_chart: Label = "Helm chart";
    kind_wasm: Label = "WASM module";
    kind_singularity: Label = "Singularity image";
    kind_cache: Label = "build cache";
    kind_plugin: Label = "docker plugin";

    // An image, or something else that is kept in a registry.
    compare: Label = "Compare…";
    other_tags: Label = "Other tags on it";
    delete_this_tag: Label = "Delete this tag…";
    delete_the_image: Label = "Delete the image…";
    created: Label = "Created";
    author: Label = "Author";
    image_for_platforms: Label = "Image for several platforms";
    digest: Label = "Digest";
    media_type: Label = "Media type";
    /// A size, and "3 layers" or "2 files".
    size_in: Text<2> = text("{0} in {1}");
    /// A size, or a range of sizes.
    for_one_platform: Text<1> = text("{0} for one platform");
    and_in_all: Text<1> = text(", {0}");
    no_config: Text<0> = text("**The configuration of this image cannot be read.**");
    no_config_unreadable: Text<0> = text("It is missing, too large or not JSON, or its digest is not SHA-256.");
    no_config_elsewhere: Text<0> = text("The registry keeps blobs in an object store and redirects clients there, which these pages do not follow. With `storage.redirect.disable: true` in its configuration they can be read here.");
    no_config_at: Text<1> = text("The registry keeps blobs in an object store and redirects clients there, which these pages do not follow. They can be read here with {0} in Portwarden's `registry.follow_redirects`, or with `storage.redirect.disable: true` in the registry's configuration.");
    store_unreachable: Text<1> = text("The object store at {0} cannot be reached. The log of Portwarden has the reason.");
    store_redirects: Text<1> = text("The object store at {0} redirects further, and these pages follow one redirect only.");
    store_forbids: Text<1> = text("The object store at {0} refused the request with status 403: the signature in the registry's redirect has expired, or is not valid there.");
    store_status: Text<2> = text("The object store at {0} answered with status {1}.");
    store_too_large: Text<1> = text("The object store at {0} sent more than 512 KiB.");
    store_wrong_digest: Text<1> = text("The content that the object store at {0} sent does not have the digest of this blob.");
    so_history_is_unknown: Label = "How the layers were made and what they run is not known.";
    content_unknown: Text<0> = text("**Its content cannot be shown.**");
    content_unknown_explained: Label = "Its manifest is of an old or unknown kind, or too large. Clients that know it can still pull it.";
    attestation: Label = "Attestation";
    attestations: Label = "Attestations";
    about_what: Label = "About";
    attestations_counted: Plural = number(&["{0} attestation: what builders say about how it was made", "{0} attestations: what builders say about how it was made"]);
    how_it_was_made: Label = "How it was made";
    claimed: Label = "claimed";
    claimed_explained: Text<0> = text("Claimed, not verified: this stands in an attestation, and any account that may push can attach one. `cosign verify-attestation` verifies one that is signed.");
    builder: Label = "Builder";
    commit: Label = "Commit";
    build_started: Label = "Started";
    build_finished: Label = "Finished";
    kind_of_build: Label = "Kind of build";
    about_something_else: Text<0> = text("**It is about something else.** The attestation names other digests than that of the image it is attached to.");
    inputs_counted: Plural = number(&["{0} input of the build", "{0} inputs of the build"]);
    inputs: Label = "Inputs of the build";
    input: Label = "Input";
    file: Label = "File";
    files: Label = "Files";
    without_a_name: Label = "without a name";
    annotations: Label = "Annotations";
    attachments: Label = "Signatures and attachments";
    no_attachments: Label = "Nothing is attached to it: no signature, no SBOM.";
    attachments_not_verified: Text<0> = text("Nothing here is verified. `cosign verify` does that.");
    names_signer: Text<1> = text("names {0}");
    attachment_pushed: Text<1> = text("pushed {0}");
    step: Label = "Step";
    created_by: Label = "Created by";
    layer: Label = "Layer";
    layers: Label = "Layers";
    layers_in_order: Label = "Layers and the steps that made them, the base first";
    no_layer: Label = "no layer";
    show_all_of_it: Label = "… show all";
    show_less: Label = "Show less";
    build_arguments: Label = "build arguments";
    how_it_runs: Label = "How it runs";
    environment: Label = "Environment";
    labels: Label = "Labels";
    says_nothing_about_it: Label = "The image says nothing about it.";
    show_all_counted: Plural = number(&["Show {0}", "Show all {0}"]);
    entry_point: Label = "Entry point";
    command: Label = "Command";
    working_directory: Label = "Working directory";
    user: Label = "User";
    ports: Label = "Ports";
    volumes: Label = "Volumes";
    stop_signal: Label = "Stop signal";
    health_check: Label = "Health check";

    // What an image or a chart says of itself.
    version: Label = "Version";
    source: Label = "Source";
    revision: Label = "Revision";
    licence: Label = "Licence";
    documentation: Label = "Documentation";
    home_page: Label = "Home page";
    vendor: Label = "Vendor";
    base_image: Label = "Base image";
    chart: Label = "Chart";
    application_version: Label = "Application version";
    chart_type: Label = "Type";
    sources: Label = "Sources";
    maintainers: Label = "Maintainers";
    chart_is_deprecated: Text<0> = text("**This chart is deprecated.**");
    dependencies: Label = "Dependencies";

    // Commands.
    pull_by_tag: Label = "Pull by tag";
    install_by_tag: Label = "Install by tag";
    reference_by_tag: Label = "Reference by tag";
    pull_by_digest: Label = "Pull by digest: always the very same";
    reference_by_digest: Label = "Reference by digest: always the very same";
    client_in_commands: Label = "Client in commands";
    other_clients: Label = "Other clients";
    skopeo_inspect: Label = "skopeo: look at it";
    crane_file: Label = "crane: into a file";
    oras_manifest: Label = "oras: its manifest";
    cosign_by_key: Label = "cosign: verify by a key";
    cosign_by_identity: Label = "cosign: verify by an identity";
    helm_install: Label = "helm: install it";
    helm_values: Label = "helm: its values";

    // Comparing.
    compare_two_tags: Label = "Compare two tags";
    choose_two_tags: Label = "Choose two tags of this repository. Digests will do, too.";
    what: Label = "What";
    before: Label = "Before";
    after: Label = "After";
    compare_now: Label = "Compare";
    no_such_image: Text<1> = text("There is no **{0}** that you may pull in this repository.");
    is_no_image: Text<1> = text("**{0}** is no image, so there is nothing to compare.");
    no_common_platform: Label = "The two have no platform in common.";
    same_image: Text<0> = text("**Both are the very same image.**");
    only_layers_compared: Label = "The configuration of one of them cannot be read, so only layers and sizes are compared.";
    image: Label = "Image";
    the_same: Label = "the same";
    not_there: Label = "not there";
    no_difference: Label = "No difference.";
    change: Label = "Change";
    removed: Label = "removed";
    added: Label = "added";
    /// The size of these layers.
    layers_are_the_same: Plural<1> = number(&["{0} layer is the same, {1} of it.", "{0} layers are the same, {1} of them."]);
    layers_that_differ: Label = "Layers that differ";

    // Deleting.
    delete_what: Text<1> = text("Delete {0}");
    delete_image_question: Text<1> = text("Delete the image {0}?");
    delete_tag: Text<1> = text("Delete the tag {0}");
    delete_tag_question: Text<1> = text("Delete the tag {0}?");
    what_will_be_deleted: Label = "What will be deleted";
    cannot_be_undone: Text<0> = text("**This cannot be undone.** No client will be able to pull it, by tag or by digest.");
    space_comes_later: Label = "The disk space comes free later, when the registry collects its garbage.";
    /// The link that deletes the tag alone.
    or_only_the_tag: Text<1> = text("{0}, and keep the image.");
    only_the_tag: Text<1> = text("Delete the tag `{0}` only");
    tag_goes_image_stays: Text<1> = text("The tag `{0}`. The image that it names stays:");
    /// Attachments of an image that is deleted.
    attachments_stay_behind: Plural = number(&[
        "**{0} attachment of it stays behind**, such as a signature. It is then listed as one of images without a tag.",
        "**{0} attachments of it stay behind**, such as signatures. They are then listed as those of images without a tag.",
    ]);
    last_tag: Text<0> = text("**This is the only tag of the image.** Without it, the image can be pulled by its digest alone.");
    tag_cannot_be_undone: Text<0> = text("**This cannot be undone here.** Push the image again to bring the tag back.");
    untagged_keeps_space: Label = "An image without a tag keeps its disk space until the registry collects its garbage.";
    delete_this_tag_now: Label = "Delete this tag";
    keep_it: Label = "Keep it";
    untagged_goes: Label = "This image, which no tag names. An image for several platforms that has it as one of them can then no longer be pulled for that platform.";
    image_goes_with_tags: Plural = number(&["This image and the one tag that names it:", "This image and **all {0} tags** that name it:"]);
    delete_this_image: Label = "Delete this image";
    delete_tags: Plural = number(&["Delete {0} tag", "Delete {0} tags"]);
    delete_image_and_tags: Plural = number(&["Delete the image and {0} tag", "Delete the image and {0} tags"]);
    delete_whole_image: Label = "Delete the image with every tag on it instead";
    delete_tags_question: Plural = number(&["Delete {0} tag?", "Delete {0} tags?"]);
    no_tag_goes: Label = "No tag will be deleted";
    none_selected: Label = "No tag is selected. Select tags in the list by the boxes before them.";
    each_by_itself: Label = "Each tag is deleted by itself. The images stay, with every other tag on them.";
    tags_left_out: Plural<1> = number(&["{0} more tag is left out: at most {1} are deleted at once.", "{0} more tags are left out: at most {1} are deleted at once."]);
    what_stays: Label = "What stays";
    selected_tags: Label = "Selected tags";
    attachments_stay: Plural = number(&["{0} attachment of it, such as a signature, as well", "{0} attachments of it, such as signatures, as well"]);
    /// The write-once tag.
    image_is_held_by: Text<1> = text("The tag {0} is write-once: it cannot be deleted, and neither can its image.");
    tag_stays_locked: Label = "The tag: it is write-once";
    tag_stays_denied: Label = "The tag: you may not delete it";
    tag_stays_unread: Label = "The tag: it cannot be read just now";
    no_such_tag: Label = "There is no such tag";
    image_and_unknown_tags: Label = "The image; its other tags were not looked up";
    image_by_digest_only: Label = "The image, by its digest only";
    image_as: Text<1> = text("The image, as {0}");
    and_more_tags: Plural<1> = number(&["{1} and {0} more tag", "{1} and {0} more tags"]);
    keep_them: Label = "Keep them";
    back_to_the_tags: Label = "Back to the tags";
    no_tag_was_deleted: Label = "No tag was deleted";
    tags_were_deleted: Plural = number(&["{0} tag deleted", "{0} tags deleted"]);
    of_tags_were_deleted: Text<2> = text("{0} of {1} tags deleted");
    what_became: Label = "What became of each tag";
    result: Label = "Result";
    tag_changed: Label = "kept: it names another image than the one that was shown";
    tag_not_deleted: Text<1> = text("not deleted: {0}");
    tag_not_tried: Label = "not tried: the time was over; select it again";

    // Access.
    account: Label = "Account";
    known_from: Label = "Known from";
    not_signed_in: Label = "None: you have not signed in";
    address: Label = "Address";
    label_of_account: Text<1> = text("Label: {0}");
    list_all_repositories: Label = "List all repositories";
    ask_about_repository: Label = "Ask about a repository";
    name_to_ask_about: Label = "Name of a repository, whether it exists or not, with or without a tag";
    ask: Label = "Ask";
    account_to_ask_about: Label = "Account, if not your own";
    rights_of: Text<1> = text("The account **{0}**:");
    rights_without_address: Label = "The rules were asked without an address.";
    labels_are_unknown: Label = "Its labels are not known here: a rule that looks at labels may decide otherwise.";
    send_to_operator: Label = "If you need it, send this to the operator of the registry:";
    /// The account, the repository, the registry, and the rule.
    may_not_pull: Text<4> = text("The account {0} may not pull from {1} on {2}: {3}.");
    may_not_push: Text<4> = text("The account {0} may not push to {1} on {2}: {3}.");
    may_not_delete: Text<4> = text("The account {0} may not delete from {1} on {2}: {3}.");
    no_rule_matches: Label = "no rule matches";
    rule_and_line: Text<2> = text("rule {0}, line {1}");
    rule_is_unclear: Text<1> = text("{0}, which may match or not");
    rule_for_some_tags: Text<1> = text("{0}, for some tags");
    /// A rule, and its patterns of tags.
    rule_about_tags: Text<2> = text("{0}, about tags {1}");
    /// The rule that grants a right for other tags than the one that was asked about.
    for_other_tags: Text<1> = text("For other tags: {0}.");
    asked_is_write_once: Label = "This tag is write-once: once it is there, it cannot be moved or deleted, whatever the rules say.";
    need_not_exist: Text<0> = text("It need not exist yet, so you can see whether you may push to it. Your rights on one tag: `team/app:1.0`.");
    is_no_name: Text<1> = text("**{0}** is not the name of a repository. Names have lower-case letters and digits, with `. _ - /` only between them.");
    rights_asked_about: Label = "Rights on the repository asked about";
    pull: Label = "Pull";
    push: Label = "Push";
    rule: Label = "Rule";
    by_rule: Label = "By rule";
    by_rule_of_all: Plural = number(&[
        "Repositories that each rule lets you pull, push to and delete from, of the {0} repository that you may see.",
        "Repositories that each rule lets you pull, push to and delete from, of the {0} repositories that you may see.",
    ]);
    by_rule_of_first: Plural = number(&[
        "Repositories that each rule lets you pull, push to and delete from, of the first {0} repository that you may see.",
        "Repositories that each rule lets you pull, push to and delete from, of the first {0} repositories that you may see.",
    ]);
    repositories_by_rule: Label = "Repositories by rule";
    all: Label = "All";
    could_push: Label = "You could push";
    could_delete: Label = "You could delete";
    none_to_see: Label = "There is none that you may see.";
    none_to_pull: Label = "There is none that you may pull.";
    none_to_push: Label = "There is none that you may push.";
    none_to_delete: Label = "There is none that you may delete.";
    rights_on_repositories: Label = "Rights on repositories";
    yes: Label = "Yes";
    no: Label = "No";
    some_tags: Label = "Some tags";
    until: Text<1> = text(", until {0}");

    // Events.
    by_the_next_rules: Label = "What would change by the next rules";
    no_audit_log: Label = "No audit log is written";
    no_audit_log_explained: Text<0> = text("Set `audit.to` in the configuration of Portwarden to the path of a file. From then on, each request and its answer appear here.");
    nothing_happened: Label = "Nothing has happened yet";
    audit_log_is_empty: Label = "The audit log is empty. The next request appears here.";
    when: Label = "When";
    who: Label = "Who";
    what_was_done: Label = "What";
    decision: Label = "Decision";
    status: Label = "Status";
    request: Label = "Request";
    action: Label = "Action";
    any: Label = "Any";
    within: Label = "Within";
    all_that_is_kept: Label = "All that is kept";
    fifteen_minutes: Label = "15 minutes";
    an_hour: Label = "an hour";
    a_day: Label = "a day";
    a_week: Label = "a week";
    refusals_only: Label = "Refusals only";
    pages_too: Label = "Page views, too";
    filter: Label = "Filter";
    pulls: Label = "Pulls";
    pushes: Label = "Pushes";
    deletions: Label = "Deletions";
    lists: Label = "Lists";
    sign_ins: Label = "Sign-ins and tokens";
    pages_seen: Label = "Pages";
    others: Label = "Others";
    from_the_last_lines: Label = "From the last lines of the audit log, newest first";
    from_the_log: Label = "From the audit log, newest first";
    back_to: Text<2> = text("{0}, back to {1}");
    download: Text<2> = text("Download: {0}, {1}");
    before_utc: Label = "Before (UTC)";
    older_files_unread: Label = "There are older files of the audit log that cannot be read here: the service may not open them, or there are too many.";
    lines_gone: Label = "These lines are no longer there";
    lines_gone_explained: Label = "The file that had them was removed or compressed.";
    search_stopped: Label = "The search stopped after many lines. “Older” goes on where it stopped.";
    parts_of_the_log: Label = "Parts of the log";
    newest_lines: Label = "Newest";
    older_lines: Label = "Older";
    older_elsewhere: Text<0> = text("Older lines are where the standard output of Portwarden goes. With a file in `audit.to`, they are here as well.");
    no_event_matches: Label = "No event matches";
    not_signed_in_event: Label = "not signed in";
    anonymous: Label = "anonymous";
    // Each with what it was done to.
    did_pull: Text<1> = text("pulled {0}");
    did_push: Text<1> = text("pushed {0}");
    did_delete: Text<1> = text("deleted {0}");
    did_list: Text<1> = text("listed {0}");
    did_sign_in: Text<1> = text("signed in {0}");
    did_see: Text<1> = text("looked at {0}");
    did_sign_out: Label = "signed out";
    did_change_tokens: Label = "made or revoked a personal token";
    did_answer_program: Label = "answered a program that asked to sign in";
    wanted_pull: Text<1> = text("wanted to pull {0}");
    wanted_push: Text<1> = text("wanted to push {0}");
    wanted_delete: Text<1> = text("wanted to delete {0}");
    wanted_list: Text<1> = text("wanted to list {0}");
    wanted_sign_in: Text<1> = text("wanted to sign in {0}");
    wanted_see: Text<1> = text("wanted to look at {0}");
    /// The method, and what it was sent to.
    did_send: Text<2> = text("sent `{0}` {1}");
    who_may: Label = "Ask the rules";
    allowed: Label = "allowed";
    denied: Label = "denied";

    // The next rules.
    what_would_change: Label = "What would change";
    no_next_rules: Label = "No next rules are compared";
    no_next_rules_explained: Text<0> = text("Name a file of new rules in `shadow` in the configuration of Portwarden. Each request is then put to them, too, and the differences appear here. No answer changes.");
    /// The file, and the time.
    compared_until: Text<2> = text("Requests by the rules of `{0}`, compared until {1}");
    compared_until_it_ended: Text<2> = text("Requests by the rules of `{0}`, compared until it ended at {1}");
    no_difference_yet: Label = "No difference yet";
    no_difference_yet_explained: Label = "Since the file was read, the next rules would have decided each request as those in force.";
    further_differences: Text<1> = text("Requests with further differences, which are not listed: {0}");
    requests: Label = "Requests";
    first: Label = "First";
    last: Label = "Last";
    loses: Label = "loses";
    gains: Label = "gains";
    undecided: Label = "undecided";

    // Signing in.
    to_service: Text<1> = text("to {0}");
    sign_in_with: Text<1> = text("Sign in with {0}");
    password: Label = "Password";
    same_as_docker: Text<0> = text("The same account and password as for `docker login`.");
    wrong_password: Text<0> = text("**Wrong account or password.**");
    wrong_password_hint: Label = "Check both, and whether Caps Lock is on.";
    no_robots: Text<0> = text("**Robots and tokens do not sign in here.**");
    no_robots_hint: Text<0> = text("A token is the password of `docker login` and other clients. People sign in with a password of their own.");
    too_many_attempts: Text<0> = text("**Too many attempts have failed.**");
    cannot_check: Text<0> = text("**Passwords cannot be checked just now.**");
    /// "Try again in 5 seconds."
    nothing_wrong_with_yours: Text<1> = text("Nothing is wrong with yours. {0}");
    session_ended: Text<0> = text("**Your session has ended.**");
    sign_in_again: Label = "Sign in again to go on where you were.";
    ended_refused: Label = "The provider no longer confirms this sign-in: sign in again.";
    ended_not_member: Label = "The account at the provider is no longer one of those that may sign in here.";
    ended_renamed: Label = "The provider gives this person another account name than at the sign-in: ask the operator of this registry.";
    ended_not_renewable: Label = "The sign-in has lasted for its time, and the provider cannot be asked again: sign in again.";
    ended_unconfirmed: Label = "The provider does not confirm this sign-in now: try again later.";
    ended_unknown: Label = "This sign-in is not known here any longer: sign in again.";
    not_encrypted: Text<0> = text("**This connection is not encrypted.**");
    not_encrypted_hint: Label = "Others on the network could read your password. Open this page with https:// instead.";
    signed_out: Text<0> = text("**You have signed out.**");

    // Personal tokens.
    used_for: Label = "Used for";
    scope: Label = "Scope";
    made: Label = "Made";
    last_use: Label = "Last use";
    ends: Label = "Ends";
    may_pull: Label = "Pull";
    may_push: Label = "Pull and push";
    may_delete: Label = "Pull, push and delete";
    what_tokens_are: Label = "A token is a password for one program. It may do no more than you, and it can be revoked alone.";
    your_new_token: Label = "Your new token";
    copy_it_now: Text<0> = text("**Copy it now: it is not shown again.** Keep it as you keep a password.");
    token_is_password: Text<0> = text("It is the password of `docker login` and of any other client of this registry:");
    token_is_revoked: Text<1> = text("The token `{0}` is revoked. What it was used for is refused from now on.");
    make_a_token: Label = "Make a token";
    what_it_is_for: Label = "What it is for";
    my_laptop: Label = "my laptop";
    all_that_you_may_use: Label = "all that you may use";
    names_with_spaces: Text<0> = text("Names with spaces between them: `team/app`, or `team/*` for each in `team`. Empty for all.");
    may_be_used_to: Label = "May be used to";
    ends_after: Label = "Ends after";
    your_tokens: Label = "Your tokens";
    you_have_none: Label = "You have none.";
    /// "2 tokens".
    revoke_unused: Text<1> = text("{0}. Revoke each that you do not use any longer, and one that may have leaked at once.");
    revoke: Label = "Revoke";
    /// The token, and what it is for.
    revoke_token: Text<2> = text("Revoke the token {0}, {1}");
    never: Label = "never";
    ended: Label = "ended";
    /// The actions.
    all_repositories: Text<1> = text("all repositories: {0}");
    token_comment_wrong: Text<1> = text("Say in 1 to {0} characters what the token is for.");
    token_misplaced: Text<0> = text("A token stands where its description belongs. It may have leaked: revoke it.");
    token_lifetime_wrong: Text<1> = text("Choose a lifetime of 1 to {0} days.");
    token_access_wrong: Text<0> = text("Choose what the token may be used for.");
    token_names_too_many: Text<1> = text("Name at most {0} repositories, or use `*`.");
    token_too_many: Text<1> = text("This account has as many tokens as it may ({0}); revoke one that is no longer used.");

    // Programs that wait for the visitor's word.
    sign_in_program: Label = "Sign in a program";
    sign_in_program_with_code: Label = "Sign in a program that shows a code";
    program_allowed: Text<0> = text("**Allowed.** Go back to the program: it has its token within seconds.");
    program_refused: Text<0> = text("**Refused.** The program gets no token.");
    token_is_among_yours: Label = "As soon as the program has it, the token is among yours, where you can revoke it";
    code_of_program: Label = "The code that the program shows";
    no_code_of_others: Label = "Type it from your own screen. Do not enter a code that another person has sent you.";
    no_program_waits: Label = "No program waits with this code. It may be mistyped, older than ten minutes, or answered already.";
    too_many_codes: Label = "Too many wrong codes were typed.";
    allow_only_your_own: Text<0> = text("**Allow this only if you have just started it yourself.** The program gets a password for this registry, in your name.");
    its_code: Label = "Its code";
    asks_from: Label = "Asks from";
    no_known_address: Label = "no known address";
    says_it_runs_on: Label = "Says it runs on";
    says_nothing: Label = "nothing";
    asked: Label = "Asked";
    another_address: Text<0> = text("**This is another address than yours.** If you did not start it on another machine, refuse it.");
    what_it_may_do: Label = "What it may do";
    allow: Label = "Allow";
    refuse: Label = "Refuse";

    // Errors.
    no_page: Label = "There is no such page";
    no_page_explained: Text<0> = text("The address leads nowhere. A repository's page is at its name, an image's at its reference, as docker pull has it.");
    wrong_method: Label = "That cannot be done here";
    wrong_method_explained: Text<0> = text("Go back to the page you came from and try again.");
    not_found: Label = "Not found";
    not_found_explained: Text<0> = text("There is no such repository, tag or digest in this registry, or you may not see it. Another account may see it. “My access” shows which rule decides; if it should be yours, ask the operator of the registry.");
    may_not: Label = "You may not do that";
    not_signed_in_title: Label = "You are not signed in";
    forged: Label = "Please try that again";
    forged_explained: Text<0> = text("The form was not sent by a page of this session: you may have signed out or in meanwhile. Open the page again, then send it.");
    changed: Label = "Other tags would go than were named";
    changed_explained: Text<0> = text("Another client has pushed or deleted meanwhile. Nothing was deleted: open the page again, and look at what it names.");
    no_deletion: Label = "This registry deletes nothing";
    no_deletion_explained: Text<0> = text("Its configuration has to say `storage.delete.enabled: true` before anything can be deleted. Ask its operator.");
    strange: Label = "The registry gave a strange answer";
    strange_explained: Text<0> = text("Try again in a moment. If it stays, the operator of the registry finds the reason in its log.");
    redirects_explained: Text<0> = text("It redirects its clients to another address for this, which these pages do not follow. With `storage.redirect.disable: true` in its configuration it answers itself.");
    no_answer: Label = "The registry does not answer";
    known_before: Label = "This page shows what was known of it before. Pushes and pulls fail until it answers again.";
    not_available: Label = "Not available just now";
    too_many: Label = "Too many attempts";
    wrong_name_or_password: Label = "The name or the password is wrong";
    may_not_explained: Text<0> = text("It is not allowed to this account, or not in this way. “My access” shows what is, and by which rule.");
    not_signed_in_explained: Text<0> = text("The provider has not signed you in. Go back to the page to sign in, and try again.");
    no_answer_explained: Text<0> = text("Portwarden gets no valid answer from it. Nothing is wrong with your account.");
    not_available_explained: Text<0> = text("A service that is needed does not answer, or has no room. Nothing is wrong with your account.");
    too_many_explained: Text<0> = text("Wait before the next one.");
    did_not_work_explained: Text<0> = text("The request was not carried out.");
    server_says: Text<1> = text("The server says: {0}");
    did_not_work: Label = "That did not work";
    reload_in_a_moment: Label = "Reload this page in a moment.";
    go_to_repository: Text<1> = text("Go to {0}");
    go_to_repositories: Label = "Go to the repositories";
    request_id: Label = "Request ID: name it when you ask for help";
}
