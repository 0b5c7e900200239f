//! The command line: what can be said, and the exit codes. Each command has a file of its own.
//!
//! Exit codes: 0 success, 1 failed or denied, 2 a command line that cannot be read (by clap), 3 frozen (`status`), 141
//! the reader of standard output has gone.

mod activity;
mod activity_import;
mod arguments;
mod assembly;
mod audit_files;
mod certificate;
mod check;
mod config_file;
mod control_client;
mod credential_provider;
mod everyone;
mod explain;
mod freeze;
mod hash;
mod jwt;
mod login;
mod login_file;
mod notifying;
mod output;
mod password;
mod policy_answer;
mod policy_query;
mod progress;
mod prune;
mod release;
mod renewal;
mod replay;
mod revoke;
mod serve;
mod signals;
mod table;
mod test_policy;
mod token;
mod token_new;
mod untag;
mod unused;
mod write_once;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser};

use arguments::{
    Activity, ActivityCommand, ActivityImport, Arguments, Check, Command, Completions, ControlSocket,
    CredentialProvider, DEFAULT_SOCKET, Explain, Freeze, Hash, Login, Logout, Prune, Release, Replay, Revoke,
    RevokeSubject, Serve, Status, TagsCommand, TestPolicy, Token, TokenCommand, TokenList, TokenNew, Untag,
    Unused,
};
use output::{Failure, written};

pub use assembly::{Assembly, AssemblyError, assemble};

/// Runs the command that `arguments` (the program's name first) ask for.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(told) => {
            // `--help` and `--version` come here too, with code 0.
            let code = ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2));
            return written(told.print()).map_or_else(|failure| failure.report(), |()| code);
        }
    };
    let done = match arguments.command {
        Command::Serve(serve) => serve::run(&serve).map(|()| ExitCode::SUCCESS).map_err(Failure::from),
        Command::Check(check) => check::run(&check).map(|()| ExitCode::SUCCESS),
        Command::Explain(explain) => explain::run(&explain),
        Command::TestPolicy(test) => test_policy::run(&test),
        Command::Replay(replay) => replay::run(&replay),
        Command::Unused(unused) => unused::run(&unused).map(|()| ExitCode::SUCCESS),
        Command::Freeze(freeze) => freeze::freeze(&freeze).map(|()| ExitCode::SUCCESS),
        Command::Thaw(control) => freeze::thaw(&control).map(|()| ExitCode::SUCCESS),
        Command::Status(status) => freeze::status(&status),
        Command::Untag(tags) => untag::run(&tags),
        Command::Tags(TagsCommand::Release(tag)) => release::run(&tag).map(|()| ExitCode::SUCCESS),
        Command::Prune(pruning) => prune::run(&pruning),
        Command::Activity(Activity { command: Some(ActivityCommand::Import(import)), .. }) => {
            activity_import::run(&import)
        }
        Command::Activity(wanted) => activity::run(&wanted).map(|()| ExitCode::SUCCESS),
        Command::Revoke(revocation) => revoke::revoke(&revocation).map(|()| ExitCode::SUCCESS),
        Command::Token(Token { command: Some(TokenCommand::List(tokens)), .. }) => {
            revoke::list(&tokens).map(|()| ExitCode::SUCCESS)
        }
        Command::Token(Token { command: Some(TokenCommand::New(new)), .. }) => {
            token_new::run(&new).map(|()| ExitCode::SUCCESS)
        }
        Command::Token(token) => token::run(&token).map(|()| ExitCode::SUCCESS),
        Command::Login(wanted) => login::login(&wanted).map(|()| ExitCode::SUCCESS),
        Command::Logout(wanted) => login::logout(&wanted).map(|()| ExitCode::SUCCESS),
        Command::CredentialProvider(provider) => {
            credential_provider::run(&provider).map(|()| ExitCode::SUCCESS)
        }
        Command::Hash(hash) => hash::run(&hash).map(|()| ExitCode::SUCCESS),
        Command::Completions(completions) => complete(&completions).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|failure| failure.report())
}

fn complete(completions: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut command(), "portwarden", &mut script);
    written(io::stdout().write_all(&script).and_then(|()| io::stdout().flush()))
}

/// The command line, for what describes it: the man page and the completions.
pub fn command() -> clap::Command {
    Arguments::command()
}
