//! Every page in each of its states: that hostile texts stay texts, that each link leads to a page, that the documents
//! are sound. With `PORTWARDEN_FIXTURES` set to a folder, the pages are written there to be looked at.

use std::{collections::HashSet, fs, path::Path};

use regex::Regex;

use super::{
    assets::Asset,
    fixtures::{Fixture, Fixtures},
    model::Theme,
    path::PagePath,
    texts::Language,
};

const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}\u{0}&amp;";

fn usual() -> Fixtures {
    Fixtures { hostile: None, prefix: "", language: Language::English, theme: Theme::System }
}

/// With what is usual, with what is hostile, and below a prefix.
fn all() -> Vec<Fixture> {
    let sets = [
        usual(),
        Fixtures { hostile: Some(HOSTILE), ..usual() },
        Fixtures { prefix: "/hub", ..usual() },
        Fixtures { language: Language::Japanese, theme: Theme::Dark, ..usual() },
        Fixtures { hostile: Some(HOSTILE), language: Language::Japanese, ..usual() },
    ];
    sets.into_iter().flat_map(Fixtures::all).collect()
}

/// A tag of a document.
struct Element {
    name: String,
    closes: bool,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The tags of a document, read as strictly as the templates write.
fn elements(html: &str) -> Vec<Element> {
    let tag = Regex::new(r#"^<(/?)([a-z][a-z0-9]*)((?: [a-z-]+(?:="[^"<>]*")?)*)>"#).unwrap();
    let attribute = Regex::new(r#" ([a-z-]+)(?:="([^"]*)")?"#).unwrap();
    let body = html.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let read = |(at, _)| {
        let found =
            tag.captures(&body[at..]).unwrap_or_else(|| panic!("no tag of a page: {:.90}", &body[at..]));
        let attributes = attribute.captures_iter(&found[3]);
        let value = |value: &str| {
            value.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">")
        };
        let attributes = attributes
            .map(|found| (found[1].to_owned(), value(found.get(2).map_or("", |value| value.as_str()))));
        Element { name: found[2].to_owned(), closes: &found[1] == "/", attributes: attributes.collect() }
    };
    body.match_indices('<').map(read).collect()
}

#[test]
fn rule_32_hostile_texts_stay_texts() {
    for Fixture { name, html } in (Fixtures { hostile: Some(HOSTILE), ..usual() }).all() {
        assert!(html.contains("&lt;script&gt;alert(1)"), "{name} does not show the text");
        assert!(
            !html.contains(['\u{202e}', '\0']),
            "{name} has a character that turns or hides what follows"
        );
        let scripts: Vec<Element> = elements(&html)
            .into_iter()
            .filter(|element| element.name == "script" && !element.closes)
            .collect();
        assert!(scripts.iter().all(|script| script.get("src").is_some()), "{name}");
        assert!(scripts.len() <= 1, "{name}");
    }
}

#[test]
fn documents_have_only_what_the_content_security_policy_allows() {
    for Fixture { name, html } in all() {
        for element in elements(&html) {
            let tag = element.name.as_str();
            assert!(
                !["style", "iframe", "object", "embed", "base", "template"].contains(&tag),
                "{name}: {tag}"
            );
            for (attribute, _) in &element.attributes {
                assert!(attribute != "style" && !attribute.starts_with("on"), "{name}: {attribute} of {tag}");
            }
        }
    }
}

#[test]
fn each_link_leads_to_a_page() {
    let mut links = 0;
    for Fixture { name, html } in all() {
        let elements = elements(&html);
        let addresses = elements
            .iter()
            .flat_map(|element| &element.attributes)
            .filter(|(key, _)| ["href", "src", "action"].contains(&key.as_str()));
        // Those to other sites are marked: rule 63.
        let is_ours = |address: &str| address != "#content" && !address.starts_with("https://");
        for (_, address) in addresses.filter(|(_, address)| is_ours(address)) {
            let path = address.split('?').next().unwrap();
            let path = path.strip_prefix("/hub").unwrap_or(path);
            assert!(PagePath::parse(path).is_some(), "{name} links to {address}");
            links += 1;
        }
    }
    assert!(links > 1000, "only {links} links found");
}

#[test]
fn rule_63_links_to_other_sites_give_them_no_hold_and_stand_in_the_description_only() {
    let mut links = 0;
    for Fixture { name, html } in all() {
        for element in elements(&html) {
            let outside = element.get("class") == Some("outside");
            let addresses = ["href", "src", "action"].map(|key| element.get(key).unwrap_or_default());
            let leads_out = addresses.iter().any(|address| address.contains("//"));
            assert_eq!(outside && !element.closes, leads_out, "{name}: {addresses:?}");
            if outside {
                assert_eq!(element.get("rel"), Some("noopener noreferrer nofollow external"), "{name}");
                links += 1;
            }
        }
    }
    assert!(links > 5, "only {links} links found");
}

#[test]
fn links_are_below_the_prefix() {
    for Fixture { name, html } in (Fixtures { prefix: "/hub", ..usual() }).all() {
        for element in elements(&html) {
            for key in ["href", "src", "action"] {
                let is_outside = element.get("class") == Some("outside");
                let address = element.get(key).filter(|_| !is_outside).unwrap_or("#");
                assert!(
                    address.starts_with('#') || address.starts_with("/hub/"),
                    "{name} links to {address}"
                );
            }
        }
    }
}

#[test]
fn each_element_is_closed_in_its_place() {
    for Fixture { name, html } in all() {
        let mut open: Vec<String> = Vec::new();
        for element in elements(&html) {
            let is_void = ["meta", "link", "input", "img", "wbr"].contains(&element.name.as_str());
            match element.closes {
                true => assert_eq!(open.pop(), Some(element.name), "{name}"),
                false if !is_void => open.push(element.name),
                false => {}
            }
        }
        assert_eq!(open, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn each_page_has_a_title_one_main_heading_and_none_left_out() {
    let title = Regex::new("<title>[^<]+</title>").unwrap();
    for Fixture { name, html } in all() {
        let elements = elements(&html);
        let opened = elements.iter().filter(|element| !element.closes);
        let is_heading = |name: &str| name.len() == 2 && name.starts_with('h') && name != "hr";
        let levels: Vec<&str> =
            opened.map(|element| element.name.as_str()).filter(|name| is_heading(name)).collect();
        assert_eq!(levels.first(), Some(&"h1"), "{name}");
        assert!(levels[1..].iter().all(|level| *level == "h2"), "{name}: {levels:?}");
        assert!(title.is_match(&html), "{name}");
        assert!(html.contains("<html lang=\"en\">") || html.contains("<html lang=\"ja\">"), "{name}");
    }
}

#[test]
fn ids_are_unique_and_each_field_has_a_label() {
    for Fixture { name, html } in all() {
        let elements = elements(&html);
        let values = |key: &'static str| elements.iter().filter_map(move |element| element.get(key));
        let ids: Vec<&str> = values("id").collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{name}: {ids:?}");
        let labelled: HashSet<&str> = values("for").collect();
        let is_field = |element: &&Element| {
            let is_shown = element.name == "input" && element.get("type") != Some("hidden");
            is_shown || (element.name == "select" && !element.closes)
        };
        for field in elements.iter().filter(is_field) {
            let id = field.get("id").unwrap_or_default();
            let is_labelled = labelled.contains(id) || field.get("aria-label").is_some();
            assert!(is_labelled, "{name}: no label for {id:?}");
        }
    }
}

#[test]
fn forms_that_change_something_are_posted_with_the_token() {
    let mut posted = 0;
    for Fixture { name, html } in usual().all() {
        for form in html.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap()) {
            let begin = form.split('>').next().unwrap();
            let changes = ["sign-out", "/-/delete/", "/-/delete-tag/", "/-/delete-tags/", "/-/tokens"]
                .iter()
                .any(|action| begin.contains(action) && !begin.contains("class=\"selection\""));
            let changes = changes || form.contains("name=\"decision\"");
            assert_eq!(changes, form.contains("name=\"csrf\" value=\"c5rf\""), "{name}");
            // These change only what the browser keeps.
            let is_posted = changes || form.contains("/-/sign-in") || form.contains("/-/preferences");
            assert_eq!(is_posted, form.contains("method=\"post\""), "{name}");
            posted += usize::from(changes);
        }
    }
    assert!(posted > 10, "only {posted} forms found");
}

#[test]
fn the_page_that_asks_names_all_that_goes() {
    let html = page("delete");
    for tag in ["latest", "1.4.2", "1.4", "stable"] {
        assert!(html.contains(&format!("<code><bdi>{tag}</bdi></code>")), "{tag}");
    }
    assert!(html.contains("all 4 tags") && html.contains(">Delete the image and 4 tags<"));
    assert!(page("delete-untagged").contains("no tag names"));
}

/// The page `name` of what is usual.
fn page(name: &str) -> String {
    usual().all().into_iter().find(|fixture| fixture.name == name).unwrap().html
}

/// Returns the texts that its buttons copy.
fn copied(html: &str) -> Vec<String> {
    elements(html).iter().filter_map(|element| element.get("data-copy").map(str::to_owned)).collect()
}

#[test]
fn an_image_is_pulled_by_its_tag_and_by_its_digest() {
    let digest = format!("sha256:b3f29a0c{}", "b".repeat(56));
    let by_tag = "docker pull registry.example/team/app:1.4.2".to_owned();
    let by_digest = format!("docker pull registry.example/team/app@{digest}");
    for name in ["image", "image-index", "image-no-config", "image-unknown"] {
        assert_eq!(copied(&page(name))[1], by_digest, "{name}");
    }
    assert_eq!(copied(&page("image"))[0], by_tag);
    let only = copied(&page("image-by-digest"));
    assert_eq!(only[0], by_digest, "by its digest alone");
    assert!(only.contains(&digest) && !only.contains(&by_tag));
}

#[test]
fn a_chart_is_pulled_by_its_version() {
    let copied = copied(&page("image-chart"));
    assert_eq!(copied[0], "helm pull oci://registry.example/team/app --version 0.3.1+build7");
    assert!(copied.iter().any(|line| line.starts_with("oras pull registry.example/team/app@sha256:")));
}

#[test]
fn a_chart_shows_each_of_its_fields() {
    let html = page("image-chart");
    for (label, shown) in [
        ("Chart", "app"),
        ("Version", "0.3.1+build7"),
        ("Application version", "1.4.2"),
        ("Type", "application"),
        ("Kubernetes", "&gt;=1.29"),
        ("Home page", "https://app.example"),
        ("Sources", "https://git.example/team/app"),
        ("Maintainers", "Ann, Bo"),
    ] {
        let (_, field) =
            html.split_once(&format!("<dt>{label}</dt><dd>")).unwrap_or_else(|| panic!("no {label}"));
        let (field, _) = field.split_once("</dd>").unwrap();
        assert!(field.contains(&format!("<bdi>{shown}</bdi>")), "{label}: {field}");
    }
    for shown in [
        "Installs the application that the team is fond of.",
        "This chart is deprecated.",
        "<bdi>postgresql</bdi> <bdi>~16.2</bdi>",
        "<bdi>oci://registry.example/charts</bdi>",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
}

#[test]
fn a_comparison_shows_what_differs_and_nothing_else() {
    let html = page("compare");
    for shown in [
        "OLD",
        "APP_HOME",
        "3 layers are the same",
        "+<span class=\"size\" title=\"43,853,863 B\">",
        ">User<",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
    assert!(!html.contains("Stop signal") && html.contains("No difference."), "{html}");
    assert!(page("compare-not-found").contains("There is no <strong><bdi>1.4.0</bdi></strong>"));
}

#[test]
fn what_docker_cannot_pull_is_only_named() {
    let artifact = copied(&page("image-artifact"));
    assert_eq!(artifact[0], "registry.example/team/app:chart-0.3.1");
    assert!(artifact[1].starts_with("registry.example/team/app@sha256:"), "{artifact:?}");
    let tags = copied(&page("repository"));
    assert!(tags.contains(&"registry.example/team/app:chart-0.3.1".to_owned()), "{tags:?}");
    assert!(tags.contains(&"docker pull registry.example/team/app:1.4.2".to_owned()), "{tags:?}");
}

/// The script puts a button behind each: a button inside a link is neither.
#[test]
fn nothing_to_copy_is_inside_a_link() {
    for Fixture { name, html } in all() {
        let mut inside = false;
        for element in elements(&html) {
            inside = if element.name == "a" { !element.closes } else { inside };
            assert!(!inside || element.get("data-copy").is_none(), "{name}");
        }
    }
}

#[test]
fn attestations_say_which_platform_they_are_about() {
    let html = page("image-index");
    let (_, attestations) = html.split_once("2 attestations").unwrap();
    assert!(attestations.contains("data-label=\"About\"><bdi>linux/amd64</bdi>"));
}

#[test]
fn platforms_are_counted_where_that_saves_room() {
    let html = page("repository");
    assert!(
        html.contains("title=\"linux/arm/v7: 143 MB, linux/s390x: 143 MB, linux/ppc64le: 143 MB\">+3 more<")
    );
    assert!(!html.contains("+1 more") && html.contains(">linux/arm64/v8<"));
}

#[test]
fn events_show_digests_in_short_and_whole_to_whoever_points_at_them() {
    let html = page("events");
    assert!(html.contains("sha256:b3f29a0cbbbb…"));
    assert!(html.contains("pulled <code") && html.contains("wanted to pull <code"), "in words");
    assert!(html.contains(&format!("title=\"team/app@sha256:b3f29a0c{}\"", "b".repeat(56))));
}

#[test]
fn whoever_may_not_is_not_asked_to() {
    assert!(
        page("repository").contains("/-/delete-tag/") && !page("repository-anonymous").contains("/-/delete-")
    );
    assert!(
        page("repository").contains("docker push") && !page("repository-anonymous").contains("docker push")
    );
    assert!(page("repository").contains("/-/events") && !page("repository-anonymous").contains("/-/events"));
    assert!(!page("repositories-no-rights").contains("Sign out"), "there is no session to end");
    assert!(page("repository-anonymous").contains("/-/sign-in?next=/team/app%3Fpage%3D2\""));
}

#[test]
fn the_pages_can_be_looked_at() {
    let Some(folder) = std::env::var_os("PORTWARDEN_FIXTURES") else { return };
    let folder = Path::new(&folder);
    for language in Language::ALL {
        for Fixture { name, html } in (Fixtures { language, ..usual() }).all() {
            fs::write(folder.join(format!("{name}.{}.html", language.code())), html).unwrap();
        }
    }
    for asset in [Asset::Style, Asset::Dark, Asset::Script, Asset::Icon] {
        let path = folder.join(format!("-/assets/{asset}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, asset.content()).unwrap();
    }
}
