//! `hatchery build`: compiles a program into a file.

use crate::choices::Choices;
use crate::init::Init;
use crate::load::{self, Program, Purpose, is_same, is_standard};
use crate::output::Output;
use anyhow::{Context, bail};
use hatchery::Interruption;
use std::path::PathBuf;
use std::process::ExitCode;

/// Compile a program into an artifact
///
/// The artifact has the code, for this machine or the one that --cpu names, and everything else that `hatchery run` needs to
/// start at once. It is an ELF file, which objdump, gdb and perf can read. It is written beside its name and then renamed, so that
/// programs that run from an older one go on. What is no file (a device, a pipe) is written to.
///
/// `run` trusts an artifact and does not read what it does not need: `run --verify` and `inspect --verify` check all of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Build {
    /// The artifact, or - for standard output; beside FILE, with the extension .hatch, unless given
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    #[command(flatten)]
    choices: Choices,

    #[command(flatten)]
    init: Init,

    /// The program: a module or a component, in the binary (.wasm) or the text format (.wat); - for standard input
    file: PathBuf,
}

impl Build {
    pub(crate) fn execute(self) -> anyhow::Result<ExitCode> {
        self.check_stoppable()?;
        let output = self.output()?;
        if self.init.is_nameless() && !is_standard(&self.file) && !self.file.exists() {
            let file = self.file.display();
            bail!(
                "there is no program `{file}`; to call the export `{file}`, write `--init={file}` and then the program"
            );
        }
        let Program::Source(bytes) = load::read(&self.file, Purpose::Look)? else {
            bail!("`{}` is an artifact already", self.file.display());
        };
        if let Output::At(path) = &output
            && is_same(&self.file, path)
        {
            bail!("the artifact would replace `{}`; name another file with -o", self.file.display());
        }
        if !self.init.is_wanted() {
            load::save(&self.choices.config(), &self.file, &bytes, &output)?;
            return Ok(ExitCode::SUCCESS);
        }
        let (engine, program) = load::compile(&self.choices.config(), &self.file, &bytes, None)?;
        let program = self.init.run(&engine, program)?;
        output
            .put(|file| program.save(file), || program.serialize())
            .with_context(|| format!("cannot write {output}"))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Where the artifact goes: what is named, or else a file beside the program's.
    fn output(&self) -> anyhow::Result<Output> {
        if let Some(path) = &self.output {
            return Output::of(path.clone());
        }
        let is_stream = std::fs::metadata(&self.file).is_ok_and(|found| !found.is_file() && !found.is_dir());
        if is_standard(&self.file) || is_stream {
            bail!("`{}` is no file that an artifact could be beside; name one with -o", self.file.display());
        }
        Ok(Output::At(self.file.with_extension("hatch")))
    }

    /// Errors when a limit of the initialization would not be noticed by the code.
    fn check_stoppable(&self) -> anyhow::Result<()> {
        let (option, how, name, needed) = match (self.init.init_timeout, self.init.init_fuel) {
            (Some(_), _) => ("--init-timeout", "by a deadline", "deadline", Interruption::Deadline),
            (_, Some(_)) => ("--init-fuel", "by fuel", "fuel", Interruption::Fuel),
            _ => return Ok(()),
        };
        if self.choices.config().interrupted_by() != needed {
            bail!("the program is not compiled to be stopped {how}, as {option} needs it: add `--interruption {name}`");
        }
        Ok(())
    }
}
