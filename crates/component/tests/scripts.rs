//! The component model's own test scripts, as far as what they pass to and from the host is flat integers: what they
//! call inside of a tree is what is tested here.
//!
//! `scripts.txt` says how many assertions of each script hold, and how many need a host that lifts and lowers;
//! `HATCHERY_BLESS=1` writes it.

#![expect(clippy::print_stderr, reason = "says when the scripts are absent")]

mod common;

use common::Running;
use hatchery_component::glue::glue;
use hatchery_component::translate;
use hatchery_image::abi::RawVal;
use hatchery_vm::CallError;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use wast::component::WastVal;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet};

const TABLE: &str = include_str!("scripts.txt");
const FOLDERS: [&str; 3] = ["linking", "resources", "values"];

#[test]
fn assertions_about_what_happens_inside_hold() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/suites/component-model/test");
    if !suite.is_dir() {
        eprintln!("{} is absent: the component model's scripts are not run", suite.display());
        return;
    }
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for folder in FOLDERS {
        let files = std::fs::read_dir(suite.join(folder)).expect("the suite has this folder");
        let mut paths: Vec<_> = files.map(|file| file.expect("is readable").path()).collect();
        paths.sort();
        for path in paths {
            let text = std::fs::read_to_string(&path).expect("is readable");
            let name = path.strip_prefix(&suite).expect("is in the suite").display().to_string();
            let (held, skipped) = Script::default().run(&name, &text, &mut wrong);
            writeln!(table, "{name}: {held} hold, {skipped} need more of a host").expect("strings grow");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if std::env::var_os("HATCHERY_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts.txt"), &table).expect("is writable");
        return;
    }
    assert_eq!(table, TABLE, "the record is not what the suite has");
}

#[derive(Default)]
struct Script {
    definitions: HashMap<String, Vec<u8>>,
    last_definition: Vec<u8>,
    /// By name, a number among `running`.
    instances: HashMap<String, usize>,
    running: Vec<Option<Running>>,
    held: usize,
    skipped: usize,
}

impl Script {
    fn run(mut self, name: &str, text: &str, wrong: &mut Vec<String>) -> (usize, usize) {
        let buffer = ParseBuffer::new(text).expect("is text");
        let wast: Wast<'_> = parser::parse(&buffer).expect("is a script");
        for directive in wast.directives {
            let (line, _) = directive.span().linecol_in(text);
            if let Err(fault) = self.directive(directive) {
                wrong.push(format!("{name}:{}: {fault}", line + 1));
            }
        }
        (self.held, self.skipped)
    }

    fn directive(&mut self, directive: WastDirective<'_>) -> Result<(), String> {
        match directive {
            WastDirective::Module(mut component) => {
                let name = component.name().map(|id| id.name().to_owned());
                let bytes = encode(&mut component)?;
                self.instantiate(name, &bytes)
            }
            WastDirective::ModuleDefinition(mut component) => {
                let name = component.name().map(|id| id.name().to_owned());
                self.last_definition = encode(&mut component)?;
                self.definitions.extend(name.map(|name| (name, self.last_definition.clone())));
                Ok(())
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let bytes = match module {
                    Some(module) => self.definitions[module.name()].clone(),
                    None => self.last_definition.clone(),
                };
                self.instantiate(instance.map(|id| id.name().to_owned()), &bytes)
            }
            WastDirective::AssertReturn { exec: WastExecute::Invoke(invoke), results, .. } => {
                let expected: Option<Vec<u64>> = results.iter().map(returned).collect();
                let (Some(expected), Some(result)) = (expected, self.invoke(&invoke)) else {
                    self.skipped += 1;
                    return Ok(());
                };
                let values = result.map_err(|error| error.to_string())?;
                for (expected, value) in expected.iter().zip(&values) {
                    if value.get_i32() as u32 != *expected as u32 {
                        return Err(format!("{value:?} should be {expected}"));
                    }
                }
                self.held += 1;
                Ok(())
            }
            WastDirective::AssertTrap { exec: WastExecute::Invoke(invoke), message, .. } => {
                match self.invoke(&invoke) {
                    // A host that lifts and lowers would have found out.
                    None | Some(Ok(_)) => self.skipped += 1,
                    Some(Err(error)) => {
                        let wanted = message.strip_prefix("wasm trap: ").unwrap_or(message);
                        let found = error.to_string();
                        let unreachable = found == "unreachable" && wanted.contains("unreachable");
                        if !found.contains(wanted) && !unreachable {
                            return Err(format!("{found:?} should be {wanted:?}"));
                        }
                        self.held += 1;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn instantiate(&mut self, name: Option<String>, bytes: &[u8]) -> Result<(), String> {
        self.instances.extend(name.map(|name| (name, self.running.len())));
        self.running.push(None);
        let Ok(plan) = translate(bytes) else { return Ok(()) };
        if !plan.imports.is_empty() {
            return Ok(());
        }
        let (set, meta) = glue(&plan, bytes).map_err(|error| error.to_string())?;
        let running = Running::start(&set, meta, &common::no_host);
        if let Some(last) = self.running.last_mut() {
            *last = Some(running);
        }
        Ok(())
    }

    /// `None` when it cannot be called from here.
    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Option<Result<Vec<RawVal>, CallError>> {
        let given: Option<Vec<RawVal>> = invoke.args.iter().map(argument).collect();
        let running = match &invoke.module {
            Some(id) => self.running.get_mut(*self.instances.get(id.name())?)?.as_mut()?,
            None => self.running.last_mut()?.as_mut()?,
        };
        Some(running.invoke(invoke.name, &given?))
    }
}

fn encode(component: &mut QuoteWat<'_>) -> Result<Vec<u8>, String> {
    component.encode().map_err(|error| error.to_string())
}

fn integer(value: &WastVal<'_>) -> Option<u64> {
    match value {
        WastVal::U8(value) => Some(u64::from(*value)),
        WastVal::U16(value) => Some(u64::from(*value)),
        WastVal::U32(value) => Some(u64::from(*value)),
        _ => None,
    }
}

fn argument(arg: &WastArg<'_>) -> Option<RawVal> {
    match arg {
        WastArg::Component(value) => integer(value).map(|value| RawVal::from_i32(value as i32)),
        _ => None,
    }
}

/// Smaller ones come with more bits than they have: a host that lifts would take them away.
fn returned(ret: &WastRet<'_>) -> Option<u64> {
    match ret {
        WastRet::Component(WastVal::U32(value)) => Some(u64::from(*value)),
        _ => None,
    }
}
