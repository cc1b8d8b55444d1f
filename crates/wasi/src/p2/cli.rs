//! `wasi:cli`: arguments, environment, standard streams, exit.

use super::Host;
use super::resources::Held;
use super::stream::{Input, Output, Sink, Source};
use crate::I32Exit;
use crate::host::FileType;
use hatchery::Error;

/// `environment.get-environment`.
pub(crate) fn environment(host: &mut impl Host) -> Vec<(String, String)> {
    let pair = |variable: &String| {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        (name.to_owned(), value.to_owned())
    };
    host.ctx().env.iter().map(pair).collect()
}

/// `environment.get-arguments`.
pub(crate) fn arguments(host: &mut impl Host) -> Vec<String> {
    host.ctx().args.clone()
}

/// `stdin.get-stdin`.
pub(crate) fn stdin(host: &mut impl Host) -> Result<u32, Error> {
    host.ctx().resources.add(Input::new(Source::Stdin))
}

/// `stdout.get-stdout` and `stderr.get-stderr`, by the descriptor's number.
pub(crate) fn output(host: &mut impl Host, number: u8) -> Result<u32, Error> {
    host.ctx().resources.add(Output::new(Sink::Standard(number)))
}

/// `terminal-stdin.get-terminal-stdin` and the others, by the descriptor's number: none when it is no terminal.
pub(crate) fn terminal(host: &mut impl Host, number: u8) -> Result<Option<u32>, Error> {
    let ctx = host.ctx();
    let file_type = ctx.table.peek_standard(number).map(|descriptor| descriptor.file_type());
    if file_type != Some(FileType::CharacterDevice) {
        return Ok(None);
    }
    ctx.resources.push(if number == 0 { Held::TerminalInput } else { Held::TerminalOutput }).map(Some)
}

/// `exit.exit`: ends the guest's call.
pub(crate) fn exit(status: Result<(), ()>) -> Error {
    exit_with_code(status.is_err().into())
}

/// `exit.exit-with-code`.
pub(crate) fn exit_with_code(code: u8) -> Error {
    Error::host(I32Exit(code.into()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Plain;
    use super::*;
    use crate::WasiCtx;

    #[test]
    fn variables_are_pairs() {
        let mut host = Plain(WasiCtx::builder().arg("a").env("K", "v=w").build());
        assert_eq!(environment(&mut host), [("K".to_owned(), "v=w".to_owned())]);
        assert_eq!(arguments(&mut host), ["a"]);
        assert_eq!(terminal(&mut host, 1).unwrap(), None);
    }

    #[test]
    fn exiting_ends_the_call_with_a_status() {
        assert_eq!(exit(Ok(())).downcast_ref::<I32Exit>(), Some(&I32Exit(0)));
        assert_eq!(exit(Err(())).downcast_ref::<I32Exit>(), Some(&I32Exit(1)));
        assert_eq!(exit_with_code(7).downcast_ref::<I32Exit>(), Some(&I32Exit(7)));
    }
}
