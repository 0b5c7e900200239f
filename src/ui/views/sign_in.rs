//! The page to sign in.

use maud::{Markup, html};

use crate::{
    registry::percent_encode,
    ui::{
        assets::Asset,
        layout::Document,
        link,
        model::{Ended, Frame, SignIn, SignInProblem},
        path::PagePath,
        texts::Texts,
        untrusted::Untrusted,
    },
};

/// The page to sign in, and why it is shown.
pub fn sign_in(frame: &Frame<'_>, page: &SignIn<'_>) -> String {
    let t = frame.texts();
    let icon = link::to(frame, &PagePath::Asset(Asset::Icon));
    let content = html! {
        img.mark src=(icon) alt="" width="56" height="56";
        h1 { (t.sign_in) }
        p.lead { (t.to_service.with([&Untrusted(frame.service)])) }
        @if let Some(problem) = page.problem { (told(t, problem)) }
        @if page.problem != Some(SignInProblem::NotSecure) {
            @if !page.providers.is_empty() { (providers(frame, page)) }
            @if page.has_passwords || page.providers.is_empty() { (form(frame, page)) }
        }
    };
    Document { title: t.sign_in, path: Some(&PagePath::SignIn), class: "sign-in" }.render(frame, &content)
}

/// Links, and no forms: browsers let the form of a page lead to no other site.
fn providers(frame: &Frame<'_>, page: &SignIn<'_>) -> Markup {
    let t = frame.texts();
    let next = percent_encode(page.next);
    html! {
        div.card.providers {
            @for (section, title) in page.providers {
                @if let Some(path) = PagePath::provider(section) {
                    a.button.primary href=(format!("{}?next={next}", link::to(frame, &path))) { (t.sign_in_with.with([title])) }
                }
            }
        }
    }
}

fn form(frame: &Frame<'_>, page: &SignIn<'_>) -> Markup {
    let t = frame.texts();
    // A visitor that has typed a name already goes on with the password.
    let named = !page.account.is_empty();
    html! {
        form.card method="post" action=(link::to(frame, &PagePath::SignIn)) {
            input type="hidden" name="next" value=(page.next);
            div.field {
                label for="account" { (t.account) }
                input #account type="text" name="account" value=(Untrusted(page.account).to_string()) required autofocus[!named]
                    autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false";
            }
            div.field {
                label for="password" { (t.password) }
                input #password type="password" name="password" required autofocus[named] autocomplete="current-password";
            }
            button.primary type="submit" { (t.sign_in) }
        }
        p.note { (t.same_as_docker) }
    }
}

fn told(t: &Texts, problem: SignInProblem) -> Markup {
    let (class, role) = match problem {
        SignInProblem::SignedOut | SignInProblem::Expired(_) => ("notice", "status"),
        _ => ("notice bad", "alert"),
    };
    let (what, hint) = match problem {
        SignInProblem::Wrong => (&t.wrong_password, html! { (t.wrong_password_hint) }),
        SignInProblem::Robot => (&t.no_robots, t.no_robots_hint.with([])),
        SignInProblem::Wait(seconds) => (&t.too_many_attempts, try_again(t, seconds)),
        SignInProblem::Unavailable(seconds) => {
            (&t.cannot_check, t.nothing_wrong_with_yours.with([&try_again(t, seconds)]))
        }
        SignInProblem::Expired(why) => (&t.session_ended, html! { (ended(t, why)) }),
        SignInProblem::NotSecure => (&t.not_encrypted, html! { (t.not_encrypted_hint) }),
        SignInProblem::SignedOut => (&t.signed_out, Markup::default()),
    };
    html! {
        div class=(class) role=(role) {
            p { (what) }
            @if !hint.0.is_empty() { p { (hint) } }
        }
    }
}

/// The way on after a session has ended.
fn ended(t: &Texts, why: Option<Ended>) -> &'static str {
    match why {
        None => t.sign_in_again,
        Some(Ended::Refused) => t.ended_refused,
        Some(Ended::NotMember) => t.ended_not_member,
        Some(Ended::Renamed) => t.ended_renamed,
        Some(Ended::NotRenewable) => t.ended_not_renewable,
        Some(Ended::Unconfirmed) => t.ended_unconfirmed,
        Some(Ended::Unknown) => t.ended_unknown,
    }
}

/// `Try again in 3 minutes.`, never too early.
pub(super) fn try_again(t: &Texts, seconds: u64) -> Markup {
    let wait = match seconds {
        0..=90 => t.in_seconds.with(seconds.max(1), []),
        _ => t.in_minutes.with(seconds.div_ceil(60), []),
    };
    t.try_again.with([&wait])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Language;

    #[test]
    fn waits_are_never_told_too_short() {
        for (seconds, text) in [
            (0, "Try again in 1 second."),
            (1, "Try again in 1 second."),
            (90, "Try again in 90 seconds."),
            (91, "Try again in 2 minutes."),
            (180, "Try again in 3 minutes."),
        ] {
            assert_eq!(try_again(Language::English.texts(), seconds).into_string(), text);
        }
    }
}
