//! `hatchery build`: compiles a program into a file.

use crate::choices::Choices;
use crate::init::Init;
use crate::load::{self, Program};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compile a program into an artifact
///
/// The artifact has the code, for this machine or the one that --cpu names, and everything else that `hatchery run` needs to start at once. It is an
/// ELF file, which objdump, gdb and perf can read. It is written beside its name and then renamed, so that
/// programs that run from an older one go on.
#[derive(Debug, clap::Args)]
pub(crate) struct Build {
    /// The artifact; beside FILE, with the extension .hatch, unless given
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    #[command(flatten)]
    choices: Choices,

    #[command(flatten)]
    init: Init,

    /// The program: a module or a component, in the binary (.wasm) or the text format (.wat)
    file: PathBuf,
}

impl Build {
    pub(crate) fn execute(self) -> anyhow::Result<ExitCode> {
        let output = self.output.clone().unwrap_or_else(|| self.file.with_extension("hatch"));
        let Program::Source(bytes) = load::read(&self.file)? else {
            bail!("`{}` is an artifact already", self.file.display());
        };
        if is_same(&self.file, &output) {
            bail!("the artifact would replace `{}`; name another file with -o", self.file.display());
        }
        if !self.init.is_wanted() {
            load::save(&self.choices.config(), &self.file, &bytes, &output)?;
            return Ok(ExitCode::SUCCESS);
        }
        let (engine, program) = load::compile(&self.choices.config(), &self.file, &bytes, None)?;
        let program = self.init.run(&engine, program)?;
        program.save(&output).with_context(|| format!("cannot write `{}`", output.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
