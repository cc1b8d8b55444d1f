//! The choices that code is compiled under, as options.

use hatchery::{Bounds, Config, Cpu, Determinism, Interruption, Optimization};

/// How code is compiled.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Choices {
    /// The CPU to compile for: native, baseline (x86-64-v2), or a name such as haswell, znver3 or x86-64-v3
    #[arg(long, value_name = "CPU", default_value = "native", value_parser = cpu)]
    cpu: Cpu,

    /// How memory accesses are checked: by guard pages, explicitly by comparison, or by comparison in programs that grow
    /// their memory (growing), whose instances then come from pools without a system call
    #[arg(long, value_name = "HOW", default_value = "guard", value_parser = bounds)]
    bounds: Bounds,

    /// How the program can be stopped: none, deadline (for run --timeout) or fuel (for run --fuel)
    #[arg(long, value_name = "HOW", default_value = "none", value_parser = interruption)]
    interruption: Interruption,

    /// Compile in the least time instead of to the fastest code
    #[arg(long)]
    no_optimize: bool,

    /// Make results the same on every machine: canonical NaNs, one behaviour of relaxed SIMD
    #[arg(long)]
    deterministic: bool,
}

impl Choices {
    pub(crate) fn config(&self) -> Config {
        let optimization = if self.no_optimize { Optimization::None } else { Optimization::Speed };
        let determinism = if self.deterministic { Determinism::Strict } else { Determinism::Relaxed };
        Config::new()
            .cpu(self.cpu.clone())
            .bounds(self.bounds)
            .interruption(self.interruption)
            .optimization(optimization)
            .determinism(determinism)
    }
}

fn cpu(text: &str) -> Result<Cpu, String> {
    Ok(match text {
        "" => return Err("the name of a CPU is missing".into()),
        "native" => Cpu::Native,
        "baseline" => Cpu::Baseline,
        name => Cpu::Named(name.into()),
    })
}

fn bounds(text: &str) -> Result<Bounds, String> {
    match text {
        "guard" => Ok(Bounds::Guard),
        "explicit" => Ok(Bounds::Explicit),
        "growing" => Ok(Bounds::Growing),
        _ => Err("use guard, explicit or growing".into()),
    }
}

fn interruption(text: &str) -> Result<Interruption, String> {
    match text {
        "none" => Ok(Interruption::None),
        "deadline" => Ok(Interruption::Deadline),
        "fuel" => Ok(Interruption::Fuel),
        _ => Err("use none, deadline or fuel".into()),
    }
}
