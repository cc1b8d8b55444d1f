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
            .help("The program; what follows it are its arguments, whatever they look like")
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
        let mut list = matches.get_many::<OsString>(LIST).into_iter().flatten();
        let file = list.next().ok_or_else(|| clap::Error::new(ErrorKind::MissingRequiredArgument))?;
        refuse_option(file)?;
        let utf8 = |arg: &OsString| arg.clone().into_string().map_err(|_| clap::Error::new(ErrorKind::InvalidUtf8));
        Ok(Self { file: file.into(), args: list.map(utf8).collect::<Result<_, _>>()? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A list that may contain anything may begin with what was meant as an option. A parser that knows only options says what
/// is wrong with it.
fn refuse_option(file: &OsStr) -> Result<(), clap::Error> {
    if !file.as_encoded_bytes().starts_with(b"-") {
        return Ok(());
    }
    let run = Run::augment_args(Command::new("run"));
    let options = run.get_arguments().filter(|arg| !arg.is_positional());
    let strict = Command::new("run").no_binary_name(true).override_usage(USAGE).args(options);
    match strict.try_get_matches_from([file]) {
        Err(error) if error.kind() == ErrorKind::UnknownArgument => Err(error),
        _ => Ok(()),
    }
}
