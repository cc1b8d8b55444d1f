//! Components of the component model's own test scripts, all but those of asynchrony: valid ones are translated,
//! invalid and malformed ones are refused.
//!
//! `suite.txt` says how many of each there are in each script, and how many of the valid ones are refused because of
//! what they need: so a script that is lost or a component that is skipped shows.

#![expect(clippy::print_stderr, reason = "says what is not tested")]

use hatchery_component::{TranslateError, translate};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastDirective};

const TABLE: &str = include_str!("suite.txt");
const FOLDERS: [&str; 5] = ["binary", "linking", "resources", "validation", "values"];

#[test]
fn every_component_is_translated_or_refused_as_it_should_be() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/suites/component-model/test");
    if !suite.is_dir() {
        eprintln!("{} is absent: the component model's scripts are not read", suite.display());
        return;
    }
    let mut table = String::new();
    let mut wrong = Vec::new();
    for script in scripts(&suite) {
        let tally = check(&script, &mut wrong);
        let name = script.strip_prefix(&suite).expect("is in the suite").display();
        writeln!(table, "{name} {tally}").expect("strings grow");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(table, TABLE, "the record is not what the suite has");
}

fn scripts(suite: &Path) -> Vec<PathBuf> {
    let files = |folder| std::fs::read_dir(suite.join(folder)).expect("the suite has this folder");
    let paths = FOLDERS.iter().flat_map(files).map(|entry| entry.expect("is readable").path());
    let mut scripts: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "wast")).collect();
    scripts.sort();
    scripts
}

/// What became of the components of a script.
#[derive(Default)]
struct Tally {
    translated: usize,
    refused: usize,
    /// Valid components that need what is not supported.
    unsupported: BTreeMap<String, usize>,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "translated {}, refused {}", self.translated, self.refused)?;
        self.unsupported.iter().try_for_each(|(needs, count)| write!(f, "; {count} need {needs}"))
    }
}

fn check(script: &Path, wrong: &mut Vec<String>) -> Tally {
    let text = std::fs::read_to_string(script).expect("is readable");
    let buffer = ParseBuffer::new(&text).expect("is text");
    let wast: Wast<'_> = parser::parse(&buffer).expect("is a script");
    let mut tally = Tally::default();
    for directive in wast.directives {
        let (line, _) = directive.span().linecol_in(&text);
        let mut fault = |what: String| wrong.push(format!("{}:{}: {what}", script.display(), line + 1));
        match directive {
            WastDirective::Module(mut component) | WastDirective::ModuleDefinition(mut component) => {
                match translated(&mut component) {
                    Ok(()) => tally.translated += 1,
                    Err(Refusal::Needs(what)) => *tally.unsupported.entry(what).or_default() += 1,
                    Err(Refusal::Invalid(why)) => fault(why),
                }
            }
            WastDirective::AssertInvalid { mut module, message, .. }
            | WastDirective::AssertMalformed { mut module, message, .. } => match translated(&mut module) {
                Ok(()) => fault(format!("should be refused: {message}")),
                Err(Refusal::Invalid(_)) => tally.refused += 1,
                Err(Refusal::Needs(what)) => fault(format!("{message:?} is missed for want of {what}")),
            },
            _ => {}
        }
    }
    tally
}

enum Refusal {
    Invalid(String),
    Needs(String),
}

fn translated(component: &mut QuoteWat<'_>) -> Result<(), Refusal> {
    let bytes = component.encode().map_err(|error| Refusal::Invalid(error.to_string()))?;
    match translate(&bytes) {
        Ok(_) => Ok(()),
        Err(TranslateError::Unsupported { proposal, .. }) => Err(Refusal::Needs(proposal.to_owned())),
        Err(TranslateError::RunTimeLinking { .. }) => Err(Refusal::Needs("run-time linking".to_owned())),
        Err(error) => Err(Refusal::Invalid(error.to_string())),
    }
}
