//! The program that is run, and its arguments, as they stand on the line.

use crate::run::Run;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// FILE and what follows it. That is the program's own, whatever it looks like: an option is ours only in front of FILE. So
/// both are one list to the parser, which ends its search for options where such a list begins.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) file: PathBuf,
    pub(crate) args: Vec<String>,
}

/// How the line is written.
pub(crate) const USAGE: &str = "hatchery run [OPTIONS] <FILE> [ARGS]...";

/// What the parser calls the list.
const LIST: &str = "file";

impl Args for Guest {
    fn augment_args(command: Command) -> Command {
        let list = Arg::new(LIST)
            .value_name("FILE")
            .help("The program; what follows it are its arguments, whatever they look like. - is standard input")
            .required(true)
            .num_args(1..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true)
            .value_parser(clap::value_parser!(OsString));
        command.arg(list)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Guest {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let list: Vec<&OsString> = matches.get_many(LIST).into_iter().flatten().collect();
        let [file, args @ ..] = &list[..] else {
            return Err(clap::Error::new(ErrorKind::MissingRequiredArgument));
        };
        if !follows_separator(std::env::args_os(), list.len()) {
            refuse_option(file)?;
        }
        Ok(Self { file: file.into(), args: args.iter().map(|arg| utf8(arg)).collect::<Result<_, _>>()? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Whether `--` stands in front of the list that a line ends with: then nothing of it was meant as an option. The parser does
/// not say.
fn follows_separator(line: impl ExactSizeIterator<Item = OsString>, list: usize) -> bool {
    let before = line.len().checked_sub(list + 1);
    before.is_some_and(|at| line.into_iter().nth(at).is_some_and(|argument| argument == "--"))
}

fn utf8(argument: &OsStr) -> Result<String, clap::Error> {
    argument.to_str().map(str::to_owned).ok_or_else(|| {
        strict().error(ErrorKind::InvalidUtf8, format!("a program's arguments are UTF-8, and {argument:?} is not"))
    })
}

/// A list that may contain anything may begin with what was meant as an option. A parser that knows only options says what
/// is wrong with it.
fn refuse_option(file: &OsStr) -> Result<(), clap::Error> {
    // Alone, it is standard input.
    if !file.as_encoded_bytes().starts_with(b"-") || file == "-" {
        return Ok(());
    }
    match strict().try_get_matches_from([file]) {
        Err(error) if error.kind() == ErrorKind::UnknownArgument => Err(error),
        _ => Ok(()),
    }
}

/// The options of `run` alone.
fn strict() -> Command {
    let run = Run::augment_args(Command::new("run"));
    let options = run.get_arguments().filter(|arg| !arg.is_positional());
    Command::new("run").no_binary_name(true).override_usage(USAGE).args(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_counts_only_directly_in_front_of_the_list() {
        let check = |line: &[&str], list, expected| {
            let line: Vec<OsString> = line.iter().map(OsString::from).collect();
            assert_eq!(follows_separator(line.into_iter(), list), expected);
        };
        check(&["hatchery", "run", "--", "-x.wat"], 1, true);
        check(&["hatchery", "run", "--no-cache", "--", "-x.wat", "a", "b"], 3, true);
        check(&["hatchery", "run", "--", "--", "a"], 2, true);
        check(&["hatchery", "run", "-x", "--", "a"], 3, false);
        check(&["hatchery", "run", "x.wat"], 1, false);
        check(&["x.wat"], 1, false);
        check(&[], 1, false);
    }
}
