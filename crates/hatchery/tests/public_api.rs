//! The public API is what `tests/public-api.txt` says it is, and names no type of a lower crate.
//!
//! The record is made from the sources: every public item that `lib.rs` re-exports, with the public
//! methods and the trait implementations of its types. After a deliberate change, run the test with
//! `HATCHERY_BLESS=1` and read the difference of the record before committing it.

use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// Crates whose types may not be seen, and the one exception that the architecture names.
const LOWER: [&str; 6] =
    ["hatchery_vm", "hatchery_image", "hatchery_init", "hatchery_compile", "hatchery_pool", "hatchery_component"];

/// Public modules of the crate, which bring names out as `lib.rs` does.
const MODULES: [&str; 1] = ["component"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All source files below the crate's root, parsed.
fn files() -> Vec<(PathBuf, syn::File)> {
    let mut found = Vec::new();
    let mut folders = vec![source()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the crate's sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                found.push((path.clone(), syn::parse_file(&text).expect("valid Rust")));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The names that `pub use` statements of `lib.rs` bring out, `#[doc(hidden)]` ones left out.
fn exported(root: &syn::File) -> BTreeSet<String> {
    fn leaves(tree: &syn::UseTree, into: &mut BTreeSet<String>) {
        match tree {
            syn::UseTree::Path(path) => leaves(&path.tree, into),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, into)),
            syn::UseTree::Name(name) => drop(into.insert(name.ident.to_string())),
            syn::UseTree::Rename(rename) => drop(into.insert(rename.rename.to_string())),
            syn::UseTree::Glob(_) => panic!("a glob in lib.rs hides what is public"),
        }
    }
    let mut names = BTreeSet::new();
    for item in &root.items {
        if let syn::Item::Use(item) = item
            && is_public(&item.vis)
            && !is_hidden(&item.attrs)
        {
            leaves(&item.tree, &mut names);
        }
    }
    names
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

fn is_hidden(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| a.path().is_ident("doc") && a.meta.to_token_stream().to_string().contains("hidden"))
}

/// The first segments that stand for a lower crate in this file: its own name and its aliases.
fn lower_names(file: &syn::File) -> BTreeMap<String, String> {
    fn leaves(tree: &syn::UseTree, lower: &str, into: &mut BTreeMap<String, String>) {
        match tree {
            syn::UseTree::Path(path) => leaves(&path.tree, lower, into),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, lower, into)),
            syn::UseTree::Name(name) => drop(into.insert(name.ident.to_string(), lower.into())),
            syn::UseTree::Rename(rename) => drop(into.insert(rename.rename.to_string(), lower.into())),
            syn::UseTree::Glob(_) => {}
        }
    }
    let mut names: BTreeMap<_, _> = LOWER.iter().map(|name| (name.to_string(), name.to_string())).collect();
    for item in &file.items {
        if let syn::Item::Use(item) = item {
            let (first, rest) = match &item.tree {
                syn::UseTree::Path(path) => (path.ident.to_string(), &*path.tree),
                syn::UseTree::Rename(rename) => (rename.ident.to_string(), &item.tree),
                _ => continue,
            };
            if LOWER.contains(&first.as_str()) {
                leaves(rest, &first, &mut names);
            }
        }
    }
    names
}

/// Collects the paths of types in a signature that start with a lower crate's name.
struct LowerPaths<'a> {
    names: &'a BTreeMap<String, String>,
    found: Vec<String>,
}

impl<'ast> Visit<'ast> for LowerPaths<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let first = path.segments.first().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if self.names.contains_key(&first) {
            self.found.push(text(path));
        }
        syn::visit::visit_path(self, path);
    }
}

fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

/// The record, and the complaints about lower types in it.
#[derive(Default)]
struct Record {
    lines: BTreeSet<String>,
    /// What names of the module that is being read start with.
    prefix: String,
    leaks: Vec<String>,
}

impl Record {
    fn line(&mut self, lower: &BTreeMap<String, String>, line: String, visit: impl FnOnce(&mut LowerPaths<'_>)) {
        let line = format!("{}{line}", self.prefix);
        let mut paths = LowerPaths { names: lower, found: Vec::new() };
        visit(&mut paths);
        if !paths.found.is_empty() {
            self.leaks.push(format!("{line}: {}", paths.found.join(", ")));
        }
        self.lines.insert(line);
    }

    fn item(&mut self, item: &syn::Item, names: &BTreeSet<String>, lower: &BTreeMap<String, String>) {
        match item {
            syn::Item::Struct(item) if is_public(&item.vis) && names.contains(&item.ident.to_string()) => {
                let name = &item.ident;
                self.line(lower, format!("struct {name} {}", text(&item.generics)), |_| {});
                for field in item.fields.iter().filter(|field| is_public(&field.vis)) {
                    let line = format!("struct {name}: {}: {}", text(&field.ident), text(&field.ty));
                    self.line(lower, line, |v| v.visit_type(&field.ty));
                }
            }
            syn::Item::Enum(item) if is_public(&item.vis) && names.contains(&item.ident.to_string()) => {
                for variant in &item.variants {
                    let line = format!("enum {}: {}{}", item.ident, variant.ident, text(&variant.fields));
                    self.line(lower, line, |v| v.visit_fields(&variant.fields));
                }
            }
            syn::Item::Fn(item) if is_public(&item.vis) && names.contains(&item.sig.ident.to_string()) => {
                self.line(lower, text(&item.sig), |v| v.visit_signature(&item.sig));
            }
            syn::Item::Trait(item) if is_public(&item.vis) && names.contains(&item.ident.to_string()) => {
                self.line(lower, format!("trait {} {}", item.ident, text(&item.generics)), |_| {});
                for member in &item.items {
                    if let syn::TraitItem::Fn(function) = member
                        && !is_hidden(&function.attrs)
                    {
                        let line = format!("trait {}: {}", item.ident, text(&function.sig));
                        self.line(lower, line, |v| v.visit_signature(&function.sig));
                    }
                }
            }
            syn::Item::Impl(item) => self.implementation(item, names, lower),
            _ => {}
        }
    }

    fn implementation(&mut self, item: &syn::ItemImpl, names: &BTreeSet<String>, lower: &BTreeMap<String, String>) {
        let syn::Type::Path(of) = &*item.self_ty else { return };
        let Some(last) = of.path.segments.last() else { return };
        if !names.contains(&last.ident.to_string()) || is_hidden(&item.attrs) {
            return;
        }
        if let Some((_, implemented, _)) = &item.trait_ {
            let line = format!("impl {} for {}", text(implemented), text(&item.self_ty));
            return self.line(lower, line, |_| {});
        }
        for member in &item.items {
            if let syn::ImplItem::Fn(function) = member
                && is_public(&function.vis)
                && !is_hidden(&function.attrs)
            {
                let line = format!("impl {}: {}", text(&item.self_ty), text(&function.sig));
                self.line(lower, line, |v| v.visit_signature(&function.sig));
            }
        }
    }
}

fn record() -> Record {
    let files = files();
    let module_of = |path: &Path| {
        let inside = path.strip_prefix(source()).expect("below the sources");
        MODULES.into_iter().find(|module| inside.starts_with(module)).unwrap_or("")
    };
    let mut record = Record::default();
    for module in [""].into_iter().chain(MODULES) {
        let root = if module.is_empty() { source().join("lib.rs") } else { source().join(module).join("mod.rs") };
        let root = files.iter().find(|(path, _)| *path == root).expect("the module's first file");
        let names = exported(&root.1);
        record.prefix = if module.is_empty() { String::new() } else { format!("{module}: ") };
        for (_, file) in files.iter().filter(|(path, _)| module_of(path) == module) {
            let lower = lower_names(file);
            file.items.iter().for_each(|item| record.item(item, &names, &lower));
        }
        for name in names {
            record.lines.insert(format!("{}pub {name}", record.prefix));
        }
    }
    record
}

#[test]
fn the_public_api_is_the_recorded_one() {
    let mut found = String::new();
    for line in record().lines {
        writeln!(found, "{line}").expect("a string");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public-api.txt");
    if std::env::var_os("HATCHERY_BLESS").is_some() {
        std::fs::write(&path, &found).expect("the record is written");
    }
    let recorded = std::fs::read_to_string(&path).expect("tests/public-api.txt");
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (recorded.lines().collect(), found.lines().collect());
    let gone: Vec<_> = old.difference(&new).map(|line| format!("- {line}")).collect();
    let added: Vec<_> = new.difference(&old).map(|line| format!("+ {line}")).collect();
    assert!(
        gone.is_empty() && added.is_empty(),
        "the public API changed; if that is meant, run this test with HATCHERY_BLESS=1\n{}\n{}",
        gone.join("\n"),
        added.join("\n")
    );
}

#[test]
fn no_lower_crates_type_is_in_a_public_signature() {
    let leaks = record().leaks;
    assert!(leaks.is_empty(), "types of lower crates can be seen in:\n{}", leaks.join("\n"));
}
