//! Deleting, from the link to the registry without them.

use crate::support::{
    browser::Browser,
    curl::curl,
    distribution::{MANIFEST, push_image},
    portwarden::{ADMIN, portwarden},
    registry::registry,
};

#[test]
fn what_goes_is_named_and_then_it_is_gone_and_the_rest_stays() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let digest = push_image(&admin, "team/app", "1.0");
    let manifest =
        admin.clone().header(&format!("Accept: {MANIFEST}")).get("/v2/team/app/manifests/1.0").is(200);
    for tag in ["1", "latest"] {
        let typed = admin.clone().option(&["--data-binary", &manifest.text()]);
        let typed = typed.header(&format!("Content-Type: {MANIFEST}"));
        typed.send("PUT", &format!("/v2/team/app/manifests/{tag}")).is(201);
    }
    push_image(&admin, "team/app", "stays");
    let status = |reference: &str| {
        let head = admin.clone().header(&format!("Accept: {MANIFEST}"));
        head.head(&format!("/v2/team/app/manifests/{reference}")).status
    };

    let browser = Browser::new(&warden);
    browser.sign_in(ADMIN);
    browser.open("/team/app:latest");
    browser.click("a[href^='/-/delete/']");
    let confirmation = format!("/-/delete/team/app@{digest}?tag=latest");
    browser.arrives(&confirmation);
    let mut named = browser.texts("main ul.tags li");
    named.sort();
    assert_eq!(named, ["1", "1.0", "latest"]);
    browser.shows("Delete the image and 3 tags");
    // Keeping it leads back.
    browser.click("form.decision a");
    browser.arrives("/team/app:latest");
    assert_eq!(status("latest"), 200);

    browser.open(&confirmation);
    browser.click("form.decision button");
    browser.arrives(&format!("/team/app?deleted={digest}"));
    assert!(browser.texts("[role=status]").concat().contains("Deleted"), "{}", browser.text());
    assert_eq!(browser.texts("th a[href^='/team/app:']"), ["stays"]);
    for gone in ["1.0", "1", "latest", &digest] {
        assert_eq!(status(gone), 404, "{gone}");
    }
    assert_eq!(status("stays"), 200);
    let left = admin.clone().get("/v2/team/app/tags/list").is(200).json();
    assert_eq!(left["tags"], serde_json::json!(["stays"]));
    // Loading it again, or going back, deletes nothing more.
    browser.back();
    browser.open("/team/app:stays");
    assert_eq!(status("stays"), 200);
}
