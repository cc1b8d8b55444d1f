//! What has to be linked before a script can run, and what each command then needs: computed from the
//! script alone.

use crate::effects::imported_modules;
use crate::script::{Act, Assertion, Script, Source};
use crate::spectest;
use std::collections::HashMap;
use std::sync::Arc;

/// A script's link sets, and what each of its commands needs of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The link sets. Each is compiled when its first instance is initialized.
    pub sets: Vec<SetPlan>,
    /// One for each command.
    pub steps: Vec<Step>,
}

/// Modules and instances that are linked together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetPlan {
    /// The modules' binaries.
    pub modules: Vec<Arc<[u8]>>,
    /// Instances, in the order of their initialization.
    pub instances: Vec<InstancePlan>,
}

/// An instance in a link set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstancePlan {
    /// Its module, as an index into the set's.
    pub module: usize,
    /// Its name in the script.
    pub name: Option<String>,
    /// Names of modules that it imports, with the earlier instances of the set that they stand for.
    pub imports: Vec<(String, usize)>,
}

/// Where an instance is: in a set, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Index of the set.
    pub set: usize,
    /// Index of the instance in the set.
    pub instance: usize,
}

/// What a command needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it was carried out by planning, or needs no instance.
    Nothing,
    /// This instance is initialized.
    Initialize(Place),
    /// An export of this instance is used.
    Use(Place),
    /// The last instance of this set cannot be linked with the others. They are those that it imports
    /// from, so that the attempt leaves the script's own instances alone.
    Attempt(SetPlan),
    /// The command cannot be carried out.
    Broken(String),
}

impl Plan {
    /// For each set, the last of the steps that need it.
    pub fn last_uses(&self) -> Vec<usize> {
        let mut last = vec![0; self.sets.len()];
        for (i, step) in self.steps.iter().enumerate() {
            if let Step::Initialize(place) | Step::Use(place) = step {
                last[place.set] = i;
            }
        }
        last
    }
}

/// Plans a script.
pub fn plan(script: &Script) -> Plan {
    let linked = script.commands.iter().any(|command| matches!(command.act, Act::Register { .. }));
    let mut planner = Planner { linked, ..Planner::default() };
    if linked {
        planner.open_set(true);
    }
    for command in &script.commands {
        let step = planner.step(&command.act).unwrap_or_else(Step::Broken);
        planner.plan.steps.push(step);
    }
    planner.plan
}

#[derive(Default)]
struct Planner {
    plan: Plan,
    /// Whether all modules are one set.
    linked: bool,
    /// Defined modules by name, and the latest.
    modules: HashMap<String, Arc<[u8]>>,
    latest_module: Option<Arc<[u8]>>,
    /// Instances by name, and the latest.
    instances: HashMap<String, Place>,
    latest_instance: Option<Place>,
    /// Instances by the name under which they are imported; all in set 0, the only one then.
    registered: HashMap<String, usize>,
}

impl Planner {
    fn step(&mut self, act: &Act) -> Result<Step, String> {
        match act {
            Act::Module { name, source } => {
                // If it fails, no later command means the instance before it by mistake.
                self.latest_instance = None;
                let module = self.define(name, source)?;
                Ok(self.instantiate(name, module))
            }
            Act::Define { name, source } => self.define(name, source).map(|_| Step::Nothing),
            Act::Instantiate { name, module } => {
                let module = self.module(module)?;
                Ok(self.instantiate(name, module))
            }
            Act::Register { import, instance } => self.register(import, instance),
            Act::Perform(action) => self.instance(&action.instance).map(Step::Use),
            Act::Assert(assertion) => self.assertion(assertion),
            Act::Skip { .. } => Ok(Step::Nothing),
        }
    }

    fn assertion(&mut self, assertion: &Assertion) -> Result<Step, String> {
        match assertion {
            Assertion::Return { action, .. }
            | Assertion::Trap { action, .. }
            | Assertion::Exception { action }
            | Assertion::Exhaustion { action, .. } => self.instance(&action.instance).map(Step::Use),
            // Such an instance has effects, but no name, and it does not become the latest.
            Assertion::TrapOnInstantiation { source, .. } => {
                let module = source.clone()?;
                Ok(Step::Initialize(self.place(None, module)))
            }
            Assertion::Unlinkable { source, .. } => Ok(Step::Attempt(self.attempt(source.clone()?))),
            Assertion::Invalid { .. } | Assertion::Malformed { .. } => Ok(Step::Nothing),
        }
    }

    fn define(&mut self, name: &Option<String>, source: &Source) -> Result<Arc<[u8]>, String> {
        self.latest_module = None;
        let module = source.clone()?;
        self.latest_module = Some(module.clone());
        if let Some(name) = name {
            self.modules.insert(name.clone(), module.clone());
        }
        Ok(module)
    }

    fn instantiate(&mut self, name: &Option<String>, module: Arc<[u8]>) -> Step {
        let place = self.place(name.clone(), module);
        self.latest_instance = Some(place);
        if let Some(name) = name {
            self.instances.insert(name.clone(), place);
        }
        Step::Initialize(place)
    }

    fn register(&mut self, import: &str, instance: &Option<String>) -> Result<Step, String> {
        let place = self.instance(instance)?;
        self.registered.insert(import.to_owned(), place.instance);
        Ok(Step::Nothing)
    }

    fn module(&self, name: &Option<String>) -> Result<Arc<[u8]>, String> {
        match name {
            Some(name) => self.modules.get(name).cloned().ok_or_else(|| format!("there is no module ${name}")),
            None => self.latest_module.clone().ok_or_else(|| "there is no module".to_owned()),
        }
    }

    fn instance(&self, name: &Option<String>) -> Result<Place, String> {
        match name {
            Some(name) => self.instances.get(name).copied().ok_or_else(|| format!("there is no instance ${name}")),
            None => self.latest_instance.ok_or_else(|| "there is no instance".to_owned()),
        }
    }

    /// Adds an instance to the set it belongs to: the only one, or a new one.
    fn place(&mut self, name: Option<String>, module: Arc<[u8]>) -> Place {
        let imports = imported_modules(&module);
        if !self.linked {
            self.open_set(imports.contains(spectest::NAME));
        }
        let imports = self.resolve(imports);
        let set = self.plan.sets.len() - 1;
        let instance = self.plan.sets[set].add(name, module, imports);
        Place { set, instance }
    }

    /// Starts a set, with `spectest` in front if any of its modules wants that.
    fn open_set(&mut self, with_spectest: bool) {
        let mut set = SetPlan::default();
        self.registered.clear();
        if with_spectest {
            self.registered.insert(spectest::NAME.to_owned(), set.add_spectest());
        }
        self.plan.sets.push(set);
    }

    /// The registered ones among the names; the others are the host's, which has none.
    fn resolve(&self, names: impl IntoIterator<Item = String>) -> Vec<(String, usize)> {
        names.into_iter().filter_map(|name| self.registered.get(&name).map(|i| (name.clone(), *i))).collect()
    }

    /// A set of this module's instance and all instances that it imports from, directly or not.
    fn attempt(&self, module: Arc<[u8]>) -> SetPlan {
        let mut set = SetPlan::default();
        let names = imported_modules(&module);
        let imports = match self.plan.sets.first() {
            Some(all) if self.linked => {
                let mut copied = HashMap::new();
                let copies = self.resolve(names).into_iter();
                copies.map(|(name, i)| (name, set.copy(all, i, &mut copied))).collect()
            }
            _ if names.contains(spectest::NAME) => vec![(spectest::NAME.to_owned(), set.add_spectest())],
            _ => Vec::new(),
        };
        set.add(None, module, imports);
        set
    }
}

impl SetPlan {
    /// Adds an instance; a binary that is there already is not added again.
    fn add(&mut self, name: Option<String>, module: Arc<[u8]>, imports: Vec<(String, usize)>) -> usize {
        let module = self.modules.iter().position(|known| Arc::ptr_eq(known, &module)).unwrap_or_else(|| {
            self.modules.push(module);
            self.modules.len() - 1
        });
        self.instances.push(InstancePlan { module, name, imports });
        self.instances.len() - 1
    }

    fn add_spectest(&mut self) -> usize {
        self.add(Some(spectest::NAME.to_owned()), spectest::binary(), Vec::new())
    }

    /// Adds instance `index` of `from` behind those that it imports from.
    fn copy(&mut self, from: &SetPlan, index: usize, copied: &mut HashMap<usize, usize>) -> usize {
        if let Some(done) = copied.get(&index) {
            return *done;
        }
        let original = &from.instances[index];
        let imports = original.imports.iter().map(|(name, i)| (name.clone(), self.copy(from, *i, copied))).collect();
        let copy = self.add(original.name.clone(), from.modules[original.module].clone(), imports);
        copied.insert(index, copy);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    fn planned(text: &str) -> Plan {
        plan(&read(text).expect("a script"))
    }

    fn imports(set: &SetPlan) -> Vec<Vec<(&str, usize)>> {
        set.instances.iter().map(|i| i.imports.iter().map(|(name, i)| (name.as_str(), *i)).collect()).collect()
    }

    #[test]
    fn modules_that_nobody_registers_are_sets_of_their_own() {
        let plan = planned(
            r#"(module (func (export "f")))
               (assert_return (invoke "f"))
               (module (import "spectest" "print" (func)))"#,
        );
        assert_eq!(plan.sets.len(), 2);
        assert_eq!(imports(&plan.sets[0]), [vec![]]);
        assert_eq!(imports(&plan.sets[1]), [vec![], vec![("spectest", 0)]]);
        let first = Place { set: 0, instance: 0 };
        let second = Place { set: 1, instance: 1 };
        assert_eq!(plan.steps, [Step::Initialize(first), Step::Use(first), Step::Initialize(second)]);
        assert_eq!(plan.last_uses(), [1, 2]);
    }

    #[test]
    fn a_script_that_registers_is_one_set_with_spectest_in_front() {
        let plan = planned(
            r#"(module $a (func (export "f")))
               (register "a" $a)
               (module $b (import "a" "f" (func)) (import "nobody" "g" (func)))
               (assert_return (invoke $a "f"))
               (assert_return (invoke "f"))"#,
        );
        assert_eq!(plan.sets.len(), 1);
        assert_eq!(imports(&plan.sets[0]), [vec![], vec![], vec![("a", 1)]]);
        let a = Place { set: 0, instance: 1 };
        let b = Place { set: 0, instance: 2 };
        assert_eq!(plan.steps, [Step::Initialize(a), Step::Nothing, Step::Initialize(b), Step::Use(a), Step::Use(b)]);
    }

    #[test]
    fn an_import_means_what_was_registered_last_before_it() {
        let plan = planned(
            r#"(module $a (func (export "f")))
               (register "x")
               (module (import "x" "f" (func)))
               (register "x")
               (module (import "x" "f" (func)))"#,
        );
        assert_eq!(imports(&plan.sets[0]), [vec![], vec![], vec![("x", 1)], vec![("x", 2)]]);
    }

    #[test]
    fn a_module_that_traps_on_instantiation_is_in_the_set_but_never_the_latest() {
        let plan = planned(
            r#"(module $a (func (export "f")))
               (register "a" $a)
               (assert_trap (module (import "a" "f" (func)) (start 0)) "unreachable")
               (assert_return (invoke "f"))"#,
        );
        let a = Place { set: 0, instance: 1 };
        let trapping = Place { set: 0, instance: 2 };
        assert_eq!(plan.steps, [Step::Initialize(a), Step::Nothing, Step::Initialize(trapping), Step::Use(a)]);
    }

    #[test]
    fn an_unlinkable_module_is_attempted_with_what_it_needs_and_left_out() {
        let plan = planned(
            r#"(module $a (func (export "f")))
               (register "a" $a)
               (module $b (import "a" "f" (func)) (export "f" (func 0)))
               (register "b" $b)
               (module $c)
               (assert_unlinkable (module (import "b" "g" (func))) "unknown import")
               (module $d)"#,
        );
        assert_eq!(plan.sets[0].instances.len(), 5);
        let Step::Attempt(attempt) = &plan.steps[5] else { panic!("an attempt") };
        assert_eq!(imports(attempt), [vec![], vec![("a", 0)], vec![("b", 1)]]);
        assert_eq!(attempt.modules.len(), 3);
    }

    #[test]
    fn one_definition_makes_several_instances() {
        let plan = planned(
            r#"(module definition $m (global (export "g") (mut i32) (i32.const 0)))
               (module instance $a $m)
               (module instance $b $m)
               (register "a" $a)
               (assert_return (get $b "g") (i32.const 0))"#,
        );
        let set = &plan.sets[0];
        assert_eq!((set.modules.len(), set.instances.len()), (2, 3));
        assert_eq!(set.instances[1].module, set.instances[2].module);
        assert_eq!(plan.steps[0], Step::Nothing);
        assert_eq!(plan.steps[4], Step::Use(Place { set: 0, instance: 2 }));
    }

    #[test]
    fn names_that_mean_nothing_break_their_command_only() {
        let plan = planned(
            r#"(assert_return (invoke "f"))
               (module $a)
               (assert_return (invoke $b "f"))
               (module quote "(func")
               (assert_return (invoke "f"))
               (assert_return (invoke $a "f"))"#,
        );
        let broken: Vec<bool> = plan.steps.iter().map(|step| matches!(step, Step::Broken(_))).collect();
        assert_eq!(broken, [true, false, true, true, true, false]);
    }
}
