//! `hatchery inspect`: what an artifact, or what would become one, is made of.

use crate::choices::Choices;
use crate::heat_map;
use crate::load::{self, Program, Purpose, is_same, is_standard};
use crate::picture;
use crate::program::Compiled;
use crate::world;
use anyhow::{Context, bail};
use hatchery::{Engine, Inspection, Shown};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show what a program is made of
///
/// Sections, slot layout, working set, initialization plan, imports and exports. A program that is no artifact is compiled
/// first, under the choices given. An artifact may be for another CPU.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Read everything and check every hash first
    #[arg(long)]
    verify: bool,

    /// Draw a slot as an SVG picture: what is stored, and what instances are known to write; - for standard output, in place
    /// of the text
    #[arg(long, value_name = "OUT.svg")]
    heat_map: Option<PathBuf>,

    #[command(flatten)]
    choices: Choices,

    /// The artifact, or a program in the binary (.wasm) or the text format (.wat); - for standard input
    file: PathBuf,
}

impl Inspect {
    pub(crate) fn execute(self) -> anyhow::Result<ExitCode> {
        self.check_picture()?;
        let program = match load::read(&self.file, Purpose::Look)? {
            Program::Artifact(artifact) => {
                let engine = Engine::new(&artifact.config())?;
                Compiled::of_artifact(artifact, &engine)
                    .with_context(|| format!("cannot open `{}`", self.file.display()))?
            }
            Program::Source(bytes) => load::compile(&self.choices.config(), &self.file, &bytes, None)?.1,
        };
        if self.verify {
            load::verify(&self.file, &program)?;
        }
        let found = program.inspect();
        let picture = || heat_map::svg(&slot(&found, &self.file));
        let text = match &self.heat_map {
            Some(path) if is_standard(path) => picture()?,
            path => {
                if let Some(path) = path {
                    picture::replace(path, &picture()?)
                        .with_context(|| format!("cannot write the picture `{}`", path.display()))?;
                }
                if self.json { format!("{:#}\n", as_json(&program, &found)) } else { self.as_text(&program, &found)? }
            }
        };
        use std::io::Write;
        std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")?;
        Ok(ExitCode::SUCCESS)
    }

    /// Errors when the picture would replace the program, or take the place of what else is asked for.
    fn check_picture(&self) -> anyhow::Result<()> {
        let Some(path) = &self.heat_map else { return Ok(()) };
        if is_standard(path) && self.json {
            bail!("standard output is for the JSON object; name a file for the picture");
        }
        if is_same(&self.file, path) {
            bail!("the picture would replace `{}`; name another file", self.file.display());
        }
        Ok(())
    }

    fn as_text(&self, program: &Compiled, found: &Inspection) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        general(&mut text, found, self.verify)?;
        if let Compiled::Component(component) = program {
            world::as_text(&mut text, component)?;
        }
        core(&mut text, found)?;
        Ok(text)
    }
}

/// What is drawn of it.
fn slot(found: &Inspection, file: &Path) -> heat_map::Slot {
    let ranges = |list: &[(u64, u64)]| list.iter().map(|(at, bytes)| *at..at + bytes).collect();
    let part = |range: &hatchery::SlotRange| heat_map::Part {
        name: range.name.clone(),
        offset: range.offset,
        bytes: range.bytes,
        limit: range.limit,
    };
    heat_map::Slot {
        title: format!("A slot of {}", file.file_name().unwrap_or(file.as_os_str()).to_string_lossy()),
        parts: found.slot.iter().map(part).collect(),
        stored: ranges(&found.runs),
        written: ranges(&found.working_set),
    }
}

fn as_json(program: &Compiled, found: &Inspection) -> Value {
    let object = |pairs: &[(String, String)]| -> Value {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let section = |s: &hatchery::FileRange| json!({ "name": s.name, "start": s.start, "bytes": s.bytes });
    let ranges = |list: &[(u64, u64)]| -> Vec<_> {
        list.iter().map(|(at, bytes)| json!({ "offset": at, "bytes": bytes })).collect()
    };
    let range = |r: &hatchery::SlotRange| json!({ "name": r.name, "offset": r.offset, "bytes": r.bytes, "limit": r.limit, "guard": r.guard });
    let step = |s: &hatchery::PlanStep| json!({ "instance": s.instance, "action": s.action, "done": s.done });
    let import =
        |i: &hatchery::ImportEntry| json!({ "instance": i.instance, "module": i.module, "name": i.name, "type": i.ty });
    let export =
        |e: &hatchery::ExportEntry| json!({ "instance": e.instance, "name": e.name, "kind": e.kind, "type": e.ty });
    let counts: serde_json::Map<_, _> =
        found.counts.iter().map(|(name, count)| (name.clone(), Value::from(*count))).collect();
    let instance = |i: &hatchery::CoreInstanceEntry| json!({ "name": i.name, "functions": i.functions, "code_bytes": i.code_bytes });
    let (kind, world) = match program {
        Compiled::Module(_) => ("module", Value::Null),
        Compiled::Component(component) => ("component", world::as_json(component)),
    };
    json!({
        "kind": kind,
        "world": world,
        "producer": found.producer,
        "source": found.source,
        "cpu_features": found.cpu_features,
        "tunables": object(&found.tunables),
        "file_bytes": found.file_bytes,
        "sections": found.sections.iter().map(section).collect::<Vec<_>>(),
        "slot_bytes": found.slot_bytes,
        "slot": found.slot.iter().map(range).collect::<Vec<_>>(),
        "page_runs": ranges(&found.runs),
        "working_set": ranges(&found.working_set),
        "grown": ranges(&found.grown),
        "core_instances": found.instances.iter().map(instance).collect::<Vec<_>>(),
        "plan": { "cursor": found.cursor, "steps": found.plan.iter().map(step).collect::<Vec<_>>() },
        "imports": found.imports.iter().map(import).collect::<Vec<_>>(),
        "exports": found.exports.iter().map(export).collect::<Vec<_>>(),
        "counts": counts,
    })
}

fn general(text: &mut String, found: &Inspection, verified: bool) -> std::fmt::Result {
    writeln!(text, "made by       {}", Shown(&found.producer))?;
    writeln!(text, "source        {}", found.source)?;
    writeln!(text, "CPU features  {}", found.cpu_features)?;
    writeln!(text, "size          {} bytes{}", found.file_bytes, if verified { ", every hash is right" } else { "" })?;
    writeln!(text, "\nchoices")?;
    found.tunables.iter().try_for_each(|(name, value)| writeln!(text, "  {name:<30} {value}"))
}

/// The core modules' point of view.
fn core(text: &mut String, found: &Inspection) -> std::fmt::Result {
    writeln!(text, "\nsections")?;
    found
        .sections
        .iter()
        .try_for_each(|s| writeln!(text, "  {:<18} {:>#12x} {:>12} bytes", s.name, s.start, s.bytes))?;
    writeln!(text, "\nslot, {} bytes", found.slot_bytes)?;
    for range in &found.slot {
        write!(text, "  {:<18} {:>#12x} {:>12} bytes", range.name, range.offset, range.bytes)?;
        if range.limit > range.bytes {
            write!(text, ", up to {}", range.limit)?;
        }
        writeln!(text, "{}", if range.guard > 0 { format!(", guard {}", range.guard) } else { String::new() })?;
    }
    found
        .runs
        .iter()
        .try_for_each(|(at, bytes)| writeln!(text, "  {:<18} {at:>#12x} {bytes:>12} bytes", "stored pages"))?;
    working_set(text, found)?;
    instances(text, found)?;
    writeln!(text, "\nplan, {} of {} steps done", found.cursor, found.plan.len())?;
    for (at, step) in found.plan.iter().enumerate() {
        let mark = if at == found.cursor { '>' } else { ' ' };
        writeln!(
            text,
            "{mark} {at:>4} [{}] {}{}",
            step.instance,
            Shown(&step.action),
            if step.done { " (done)" } else { "" }
        )?;
    }
    writeln!(text, "\nimports")?;
    found
        .imports
        .iter()
        .try_for_each(|i| writeln!(text, "  [{}] {} {} {}", i.instance, Shown(&i.module), Shown(&i.name), i.ty))?;
    writeln!(text, "\nexports")?;
    found
        .exports
        .iter()
        .try_for_each(|e| writeln!(text, "  [{}] {} {}: {}", e.instance, e.kind, Shown(&e.name), e.ty))?;
    writeln!(text, "\nnumbers")?;
    found.counts.iter().try_for_each(|(name, count)| writeln!(text, "  {name:<18} {count:>12}"))
}

fn instances(text: &mut String, found: &Inspection) -> std::fmt::Result {
    writeln!(text, "\ncore instances")?;
    found.instances.iter().enumerate().try_for_each(|(number, instance)| {
        let (name, functions) = (Shown(instance.name.as_deref().unwrap_or("-")), instance.functions);
        writeln!(text, "  [{number}] {name:<24} {functions:>8} functions {:>12} bytes", instance.code_bytes)
    })
}

/// What instances are known to write and to grow, by part of the slot.
fn working_set(text: &mut String, found: &Inspection) -> std::fmt::Result {
    let bytes: u64 = found.working_set.iter().map(|(_, bytes)| bytes).sum();
    match bytes {
        0 => writeln!(text, "\nworking set, none learned"),
        _ => writeln!(text, "\nworking set, {} pages of 4096 bytes", bytes / 4096),
    }?;
    for (list, what) in [(&found.working_set, ""), (&found.grown, " by growth")] {
        for (at, bytes) in list {
            let part = found.slot.iter().find(|range| (range.offset..range.offset + range.limit).contains(at));
            let name = part.map_or("", |range| range.name.as_str());
            writeln!(text, "  {name:<18} {at:>#12x} {bytes:>12} bytes{what}")?;
        }
    }
    Ok(())
}
