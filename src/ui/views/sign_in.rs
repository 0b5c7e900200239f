//! The page to sign in.

use maud::{Markup, html};

use crate::{
    registry::percent_encode,
    ui::{
        assets::Asset,
        layout::Document,
        link,
        model::{Frame, SignIn, SignInProblem},
        path::PagePath,
        untrusted::Untrusted,
    },
};

/// The page to sign in, and why it is shown.
pub fn sign_in(frame: &Frame<'_>, page: &SignIn<'_>) -> String {
    let icon = link::to(frame, &PagePath::Asset(Asset::Icon));
    let content = html! {
        img.mark src=(icon) alt="" width="56" height="56";
        h1 { "Sign in" }
        p.lead { "to " (Untrusted(frame.service)) }
        @if let Some(problem) = page.problem { (told(problem, page.detail)) }
        @if page.problem != Some(SignInProblem::NotSecure) {
            @if !page.providers.is_empty() { (providers(frame, page)) }
            @if page.has_passwords || page.providers.is_empty() { (form(frame, page)) }
        }
    };
    Document { title: "Sign in", path: Some(&PagePath::SignIn), class: "sign-in" }.render(frame, &content)
}

/// Links, and no forms: browsers let the form of a page lead to no other site.
fn providers(frame: &Frame<'_>, page: &SignIn<'_>) -> Markup {
    let next = percent_encode(page.next);
    html! {
        div.card.providers {
            @for (section, title) in page.providers {
                @if let Some(path) = PagePath::provider(section) {
                    a.button.primary href=(format!("{}?next={next}", link::to(frame, &path))) { "Sign in with " (title) }
                }
            }
        }
    }
}

fn form(frame: &Frame<'_>, page: &SignIn<'_>) -> Markup {
    // A visitor that has typed a name already goes on with the password.
    let named = !page.account.is_empty();
    html! {
        form.card method="post" action=(link::to(frame, &PagePath::SignIn)) {
            input type="hidden" name="next" value=(page.next);
            div.field {
                label for="account" { "Account" }
                input #account type="text" name="account" value=(Untrusted(page.account).to_string()) required autofocus[!named]
                    autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false";
            }
            div.field {
                label for="password" { "Password" }
                input #password type="password" name="password" required autofocus[named] autocomplete="current-password";
            }
            button.primary type="submit" { "Sign in" }
        }
        p.note { "The same account and password as for " code { "docker login" } "." }
    }
}

fn told(problem: SignInProblem, detail: &str) -> Markup {
    let (class, role) = match problem {
        SignInProblem::SignedOut | SignInProblem::Expired => ("notice", "status"),
        _ => ("notice bad", "alert"),
    };
    html! {
        div class=(class) role=(role) {
            @match problem {
                SignInProblem::Wrong => {
                    p { strong { "Wrong account or password." } }
                    p { "Check both, and whether Caps Lock is on." }
                }
                SignInProblem::Robot => {
                    p { strong { "Robots and tokens do not sign in here." } }
                    p { "A token is the password of " code { "docker login" } " and other clients. People sign in with a password of their own." }
                }
                SignInProblem::Wait(seconds) => {
                    p { strong { "Too many attempts have failed." } }
                    p { "Try again " (wait(seconds)) "." }
                }
                SignInProblem::Unavailable(seconds) => {
                    p { strong { "Passwords cannot be checked just now." } }
                    p { "Nothing is wrong with yours. Try again " (wait(seconds)) "." }
                }
                SignInProblem::Expired => {
                    p { strong { "Your session has ended." } }
                    @if detail.is_empty() {
                        p { "Sign in again to go on where you were." }
                    } @else {
                        p { (detail) }
                    }
                }
                SignInProblem::NotSecure => {
                    p { strong { "This connection is not encrypted." } }
                    p { "Others on the network could read your password. Open this page with https:// instead." }
                }
                SignInProblem::SignedOut => { p { strong { "You have signed out." } } }
            }
        }
    }
}

/// `in 1 second`, `in 3 minutes`; never too early.
pub(crate) fn wait(seconds: u64) -> String {
    let (count, unit) =
        if seconds > 90 { (seconds.div_ceil(60), "minute") } else { (seconds.max(1), "second") };
    format!("in {count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_never_told_too_short() {
        for (seconds, text) in [
            (0, "in 1 second"),
            (1, "in 1 second"),
            (90, "in 90 seconds"),
            (91, "in 2 minutes"),
            (180, "in 3 minutes"),
        ] {
            assert_eq!(wait(seconds), text);
        }
    }
}
