//! The page of a program that waits for the visitor's word.

use maud::{Markup, html};

use super::{
    sign_in::try_again,
    tokens::{fields, token_problem, wrong},
};
use crate::ui::{
    Language,
    age::Age,
    layout::Document,
    link,
    model::{Device, DeviceAsk, DeviceProblem, Frame},
    path::PagePath,
    texts::Texts,
    untrusted::Untrusted,
};

/// Renders the field for a code, what a program asks for, or that it was answered.
pub fn device(frame: &Frame<'_>, page: &Device<'_>) -> String {
    let t = frame.texts();
    let content = html! {
        div.heading { h1 { (t.sign_in_program) } }
        @match page {
            Device::Enter { problem } => { (enter(frame, *problem)) }
            Device::Ask(ask) => { (asked(frame, ask)) }
            Device::Done { is_allowed: true } => {
                div.notice.good role="status" { p { (t.program_allowed) } }
                p { a href=(link::to(frame, &PagePath::Tokens)) { (t.token_is_among_yours) } }
            }
            Device::Done { is_allowed: false } => {
                div.notice role="status" { p { (t.program_refused) } }
            }
        }
    };
    Document { title: t.sign_in_program, path: Some(&PagePath::Device), class: "narrow" }
        .render(frame, &content)
}

/// Returns the reason why a code or a form was not taken, in English, for the audit log.
pub fn device_problem(problem: DeviceProblem<'_>) -> String {
    let t = Language::English.texts();
    match problem {
        DeviceProblem::Unknown => t.no_program_waits.to_owned(),
        DeviceProblem::Wait(_) => t.too_many_codes.to_owned(),
        DeviceProblem::Form(problem) => token_problem(problem),
    }
}

fn told(t: &Texts, problem: Option<DeviceProblem<'_>>) -> Markup {
    let why = match problem {
        None => return Markup::default(),
        Some(DeviceProblem::Unknown) => html! { (t.no_program_waits) },
        Some(DeviceProblem::Wait(seconds)) => html! { (t.too_many_codes) " " (try_again(t, seconds)) },
        Some(DeviceProblem::Form(problem)) => wrong(t, problem),
    };
    html! { div.notice.bad role="alert" { p { (why) } } }
}

/// By GET, as the link that a program shows: it changes nothing.
fn enter(frame: &Frame<'_>, problem: Option<DeviceProblem<'_>>) -> Markup {
    let t = frame.texts();
    html! {
        (told(t, problem))
        section {
            form.card method="get" action=(link::to(frame, &PagePath::Device)) {
                div.field {
                    label for="user_code" { (t.code_of_program) }
                    input #user_code type="text" name="user_code" required autofocus maxlength="20" placeholder="WDJB-MJHT"
                        aria-describedby="user_code-note" autocomplete="off" autocapitalize="characters" spellcheck="false";
                    p.note #user_code-note { (t.no_code_of_others) }
                }
                button.primary type="submit" { (t.go_on) }
            }
        }
    }
}

fn asked(frame: &Frame<'_>, ask: &DeviceAsk<'_>) -> Markup {
    let t = frame.texts();
    html! {
        (told(t, ask.problem.map(DeviceProblem::Form)))
        div.notice role="note" { p { (t.allow_only_your_own) } }
        section {
            dl.pairs {
                div { dt { (t.its_code) } dd { code { (ask.code) } } }
                div { dt { (t.asks_from) } dd { @if let Some(address) = ask.address { code { (address) } } @else { (t.no_known_address) } } }
                div { dt { (t.says_it_runs_on) } dd { @if ask.host_name.is_empty() { (t.says_nothing) } @else { (Untrusted(ask.host_name)) } } }
                div { dt { (t.asked) } dd { (Age::new(frame, ask.asked)) } }
            }
            @if ask.is_elsewhere {
                div.notice.bad role="alert" { p { (t.another_address) } }
            }
        }
        section {
            form.card method="post" action=(link::to(frame, &PagePath::Device)) {
                input type="hidden" name="csrf" value=(ask.csrf);
                input type="hidden" name="user_code" value=(ask.code);
                h2 { (t.what_it_may_do) }
                (fields(t, ask.wish, &ask.lifetimes))
                div.decision {
                    button.primary type="submit" name="decision" value="allow" { (t.allow) }
                    button type="submit" name="decision" value="refuse" formnovalidate { (t.refuse) }
                }
            }
        }
    }
}
