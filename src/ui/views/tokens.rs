//! The page of the visitor's personal tokens.

use maud::{Markup, html};

use crate::ui::{
    age::Age,
    amount::counted,
    copyable::command,
    layout::Document,
    link,
    model::{Frame, TokenEntry, TokenNotice, TokenWish, Tokens, Visitor},
    path::PagePath,
    table::{Column, cell, head_cell, table},
    untrusted::Untrusted,
};

const COMMENT: Column = Column { label: "Used for", class: "main" };
const SCOPES: Column = Column { label: "Scope", class: "" };
const MADE: Column = Column { label: "Made", class: "" };
const USED: Column = Column { label: "Last use", class: "" };
const ENDS: Column = Column { label: "Ends", class: "" };
const ACTIONS: Column = Column { label: "Actions", class: "actions" };

/// The uses of a token: the value in the form, and its text.
const ACCESS: [(&str, &str); 3] =
    [("pull", "Pull"), ("push", "Pull and push"), ("delete", "Pull, push and delete")];

/// Renders the tokens of the visitor, and the form that makes one.
pub fn tokens(frame: &Frame<'_>, page: &Tokens<'_>) -> String {
    let content = html! {
        div.heading { h1 { "My tokens" } }
        p.lead { "A token is a password for one program. It may do no more than you, and it can be revoked alone." }
        @if let Some(notice) = page.notice { (told(frame, notice)) }
        section { (form(frame, page)) }
        (list(frame, page))
    };
    Document { title: "My tokens", path: Some(&PagePath::Tokens), class: "wide" }.render(frame, &content)
}

fn told(frame: &Frame<'_>, notice: TokenNotice<'_>) -> Markup {
    html! {
        @match notice {
            TokenNotice::Made(token) => {
                section.card role="status" {
                    h2 { "Your new token" }
                    p { strong { "Copy it now: it is not shown again." } " Keep it as you keep a password." }
                    (command(token))
                    p { "It is the password of " code { "docker login" } " and of any other client of this registry:" }
                    (command(&log_in(frame)))
                }
            }
            TokenNotice::Revoked(id) => {
                div.notice.good role="status" {
                    p { "The token " code { (Untrusted(id)) } " is revoked. What it was used for is refused from now on." }
                }
            }
            TokenNotice::Problem(why) => { div.notice.bad role="alert" { p { (Untrusted(why)) } } }
        }
    }
}

/// The command by which the visitor signs in, as a shell reads it.
fn log_in(frame: &Frame<'_>) -> String {
    let name = match frame.visitor {
        Visitor::Account { name, .. } => name,
        Visitor::Anonymous | Visitor::Nobody => "",
    };
    format!("docker login -u {} {}", quoted(name), frame.host)
}

/// A word for a shell: between quotes where it has anything but letters, digits and a few signs.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._@:/+".contains(c);
    if !word.is_empty() && word.chars().all(|c| is_plain(c) || c == '-') && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn form(frame: &Frame<'_>, page: &Tokens<'_>) -> Markup {
    let TokenWish { comment, repositories, access, days } = page.wish;
    html! {
        form.card method="post" action=(link::to(frame, &PagePath::Tokens)) {
            input type="hidden" name="csrf" value=(page.csrf);
            h2 { "Make a token" }
            div.field {
                label for="comment" { "What it is for" }
                input #comment type="text" name="comment" value=(Untrusted(comment).to_string()) required maxlength="100"
                    placeholder="my laptop" autocomplete="off";
            }
            div.field {
                label for="repositories" { "Repositories" }
                input #repositories type="text" name="repositories" value=(Untrusted(repositories).to_string())
                    placeholder="all that you may use" aria-describedby="repositories-note" autocomplete="off" autocapitalize="none"
                    spellcheck="false";
                p.note #repositories-note { "Names with spaces between them: " code { "team/app" } ", or " code { "team/*" } " for each in " code { "team" } ". Empty for all." }
            }
            div.field {
                label for="access" { "May be used to" }
                select #access name="access" {
                    @for (value, text) in ACCESS { option value=(value) selected[value == access] { (text) } }
                }
            }
            div.field {
                label for="days" { "Ends after" }
                select #days name="days" {
                    @for lifetime in &page.lifetimes {
                        option value=(lifetime) selected[*lifetime == days] { (counted(usize::try_from(*lifetime).unwrap_or(usize::MAX), "day", "days")) }
                    }
                }
            }
            button.primary type="submit" { "Make a token" }
        }
    }
}

fn list(frame: &Frame<'_>, page: &Tokens<'_>) -> Markup {
    let rows = html! { @for token in &page.tokens { tr role="row" { (row(frame, page.csrf, token)) } } };
    html! {
        section {
            h2 { "Your tokens" }
            @if page.tokens.is_empty() {
                p.note { "You have none." }
            } @else {
                p.extent { (counted(page.tokens.len(), "token", "tokens")) ". Revoke each that you do not use any longer, and one that may have leaked at once." }
                (table("Your tokens", &[COMMENT, SCOPES, MADE, USED, ENDS, ACTIONS], rows))
            }
        }
    }
}

fn row(frame: &Frame<'_>, csrf: &str, token: &TokenEntry) -> Markup {
    let age = |timestamp| Age { timestamp, now: frame.now };
    let revoke = format!("Revoke the token {}, {}", token.id, Untrusted(&token.comment));
    html! {
        (head_cell(COMMENT, html! { span.two { span { (Untrusted(&token.comment)) } span.quiet { code { (token.id) } } } }))
        (cell(SCOPES, html! { span.two { @for scope in &token.scopes { span { code { (Untrusted(scope)) } } } } }))
        (cell(MADE, html! { (age(token.made)) }))
        (cell(USED, html! { @if let Some(used) = token.used { (age(used)) } @else { span.quiet { "never" } } }))
        (cell(ENDS, html! { @if token.has_ended { span.no { "ended" } " " } (age(token.ends)) }))
        (cell(ACTIONS, html! {
            form method="post" action=(link::to(frame, &PagePath::Tokens)) {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="revoke" value=(token.id);
                button type="submit" aria-label=(revoke) { "Revoke" }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_the_shell() {
        for (name, word) in [
            ("alice", "alice"),
            ("alice@example.org", "alice@example.org"),
            ("a b", "'a b'"),
            ("-h", "'-h'"),
            ("", "''"),
            ("$(reboot)", "'$(reboot)'"),
            ("x'; reboot; '", "'x'\\''; reboot; '\\'''"),
        ] {
            assert_eq!(quoted(name), word);
        }
    }
}
