//! Paths of the web pages: what is read and written is read the same; none is a path of the registry or of the token
//! endpoint, and none can leave the host when a browser is sent to it.

use portwarden::{
    registry::Route,
    ui::{PagePath, Reference},
};

/// Takes a path as it is on the wire.
pub fn check(data: &[u8]) {
    let path = String::from_utf8_lossy(data);
    let Some(page) = PagePath::parse(&path) else { return };
    let written = page.to_string();
    assert!(written.starts_with('/') && !written.starts_with("//"), "{written:?} of {path:?}");
    assert!(
        written.bytes().all(|b| b.is_ascii_graphic() && b"\"'<>?#\\%&".iter().all(|c| *c != b)),
        "{written:?}"
    );
    assert_eq!(PagePath::parse(&written), Some(page.clone()), "{written:?} of {path:?}");
    for address in [&*path, &written] {
        assert!(
            !address.starts_with("/v2/") && !matches!(address, "/v2" | "/auth" | "/auth/token"),
            "{path:?}"
        );
        assert!(Route::parse("GET", address, None).is_err(), "{address:?} is of the registry");
    }
    // The registry has a path for the subject of the page.
    let about = match &page {
        PagePath::Repository(name) => format!("/v2/{name}/tags/list"),
        PagePath::Image(name, Reference::Tag(tag)) => format!("/v2/{name}/manifests/{tag}"),
        PagePath::Image(name, Reference::Digest(digest)) | PagePath::Delete(name, digest) => {
            format!("/v2/{name}/manifests/{digest}")
        }
        _ => return,
    };
    assert!(Route::parse("GET", &about, None).is_ok(), "{about:?} of {path:?}");
}
