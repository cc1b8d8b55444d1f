//! Running a tree that was put together by hand.

#![allow(dead_code, unused_imports, reason = "each test uses its part")]

use hatchery_alloc::OnDemand;
use hatchery_compile::{Budget, LinkSet, compile};
use hatchery_component::glue::glue;
use hatchery_component::meta::{CoreRef, Export, Meta};
use hatchery_component::plan::{
    CanonOptions, ComponentInstanceId, CoreExport, CoreFunc, CoreFuncId, CoreInstance, CoreInstanceId, CoreItem,
    CoreModuleId, Step, TreePlan,
};
use hatchery_image::abi::{PackedFuncRef, RawVal};
use hatchery_image::{ExportItem, Image, InstanceId, MemoryId, Tunables};
use hatchery_vm::{CallError, HostFunction, Instance, Limits, Prepared, StackConfig, StackPool};
use std::sync::Arc;

/// A plan under construction.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) plan: TreePlan,
    bytes: Vec<u8>,
}

impl Tree {
    pub(crate) fn new(components: usize) -> Tree {
        let mut tree = Tree::default();
        tree.plan.component_instances = vec![None];
        tree.plan.component_instances.resize(components, Some(ComponentInstanceId(0)));
        tree
    }

    /// Adds an instance of a module; imports by module name and name.
    pub(crate) fn core(&mut self, component: u32, wat: &str, imports: &[(&str, &str, CoreItem)]) -> CoreInstanceId {
        let binary = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
        let start = self.bytes.len();
        self.bytes.extend(binary);
        self.plan.modules.push(start..self.bytes.len());
        let imports = imports.iter().map(|(module, name, item)| ((*module).into(), (*name).into(), item.clone()));
        let module = CoreModuleId(self.plan.modules.len() as u32 - 1);
        let component = ComponentInstanceId(component);
        self.plan.core_instances.push(CoreInstance { module, component, imports: imports.collect() });
        let id = CoreInstanceId(self.plan.core_instances.len() as u32 - 1);
        self.plan.steps.push(Step::Instantiate(id));
        id
    }

    pub(crate) fn core_func(&mut self, func: CoreFunc) -> CoreFuncId {
        self.plan.core_funcs.push(func);
        CoreFuncId(self.plan.core_funcs.len() as u32 - 1)
    }

    pub(crate) fn func(&mut self, func: hatchery_component::plan::Func) -> hatchery_component::plan::FuncId {
        self.plan.funcs.push(func);
        hatchery_component::plan::FuncId(self.plan.funcs.len() as u32 - 1)
    }

    pub(crate) fn export(&mut self, instance: CoreInstanceId, name: &str) -> CoreFuncId {
        self.core_func(CoreFunc::Export(core_export(instance, name)))
    }

    /// Options with the exports `memory` and `realloc` of an instance.
    pub(crate) fn options(&mut self, instance: CoreInstanceId) -> CanonOptions {
        let realloc = self.export(instance, "realloc");
        CanonOptions {
            memory: Some(core_export(instance, "memory")),
            realloc: Some(realloc),
            ..CanonOptions::default()
        }
    }

    pub(crate) fn glue(&self) -> (LinkSet, Meta) {
        glue(&self.plan, &self.bytes).expect("it fits together")
    }

    pub(crate) fn run(&self) -> Running {
        let (set, meta) = self.glue();
        Running::start(&set, meta, &no_host)
    }
}

impl Running {
    /// A component in text form; `host` makes the function for each import of the host.
    pub(crate) fn component(wat: &str, host: &Host<'_>) -> Running {
        let bytes = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"));
        let plan = hatchery_component::translate(&bytes).unwrap_or_else(|error| panic!("{error}"));
        let (set, meta) = glue(&plan, &bytes).unwrap_or_else(|error| panic!("{error}"));
        Running::start(&set, meta, host)
    }

    pub(crate) fn start(set: &LinkSet, meta: Meta, host: &Host<'_>) -> Running {
        let image = compile(set, &Tunables::default(), &Budget::default()).unwrap_or_else(|error| panic!("{error}"));
        let functions = image.imports().iter().map(|import| host(import.module, import.name)).collect();
        let stacks = Arc::new(StackPool::new(StackConfig::default()).expect("stacks"));
        let allocator = Arc::new(OnDemand::strict());
        let prepared =
            Prepared::new(Arc::new(image), allocator, stacks, functions, Limits::default()).expect("prepared");
        let mut instance = prepared.instantiate(Vec::new()).expect("instantiated");
        instance.access().initialize().expect("initialized");
        Running { instance, meta }
    }

    /// Calls what the root exports, with flat values, and its `post-return`.
    pub(crate) fn invoke(&mut self, name: &str, given: &[RawVal]) -> Result<Vec<RawVal>, CallError> {
        let export = self.meta.exports.iter().find(|(export, _)| &**export == name);
        let Some((_, Export::Func(func))) = export else { panic!("{name} is no exported function") };
        let func = func.clone();
        let results = self.call_ref(&func.core, given)?;
        if let Some(post_return) = &func.post_return {
            self.call_ref(post_return, &results)?;
        }
        Ok(results)
    }

    pub(crate) fn invoke_i32(&mut self, name: &str) -> Result<i32, CallError> {
        self.invoke(name, &[]).map(|values| values.first().map_or(0, |value| value.get_i32()))
    }

    pub(crate) fn invoke_trap(&mut self, name: &str) -> String {
        message(self.invoke_i32(name))
    }
}

/// The message of the trap that a call ends with.
pub(crate) fn message<V: std::fmt::Debug>(result: Result<V, CallError>) -> String {
    match result {
        Err(CallError::Trap(trap)) => trap.to_string(),
        other => panic!("no trap, but {other:?}"),
    }
}

/// Makes the host's functions, by module name and name.
pub(crate) type Host<'a> = dyn Fn(&str, &str) -> HostFunction<Vec<u32>> + 'a;

pub(crate) fn core_export(instance: CoreInstanceId, name: &str) -> CoreExport {
    CoreExport { instance, name: name.into() }
}

pub(crate) fn no_host(module: &str, name: &str) -> HostFunction<Vec<u32>> {
    panic!("nobody provides {module} {name}")
}

/// An instance of a tree.
pub(crate) struct Running {
    pub(crate) instance: Instance<Vec<u32>>,
    pub(crate) meta: Meta,
}

impl Running {
    pub(crate) fn image(&mut self) -> Arc<Image> {
        self.instance.access().image().clone()
    }

    /// The number in the set of the only core instance that exports `name`.
    pub(crate) fn exporter(&mut self, name: &str) -> u32 {
        let image = self.image();
        let all = 0..image.instances().len() as u32;
        let mut found = all.filter(|id| image.export(InstanceId(*id), name).is_some());
        found.next().unwrap_or_else(|| panic!("nothing exports {name}"))
    }

    pub(crate) fn call_ref(&mut self, core: &CoreRef, given: &[RawVal]) -> Result<Vec<RawVal>, CallError> {
        let mut access = self.instance.access();
        let Some(ExportItem::Func(f)) = access.image().export(InstanceId(core.instance), &core.name) else {
            panic!("{core:?} is no function")
        };
        let callee = access.prepared().callee(PackedFuncRef::new(f.ty, f.code_offset)).expect("it can be called");
        let mut values = given.to_vec();
        values.resize(values.len().max(callee.slots()), RawVal::ZERO);
        access.call(&callee, &mut values)?;
        Ok(values)
    }

    pub(crate) fn call(&mut self, name: &str, given: &[RawVal]) -> Result<Vec<RawVal>, CallError> {
        let instance = self.exporter(name);
        self.call_ref(&CoreRef { instance, name: name.into() }, given)
    }

    pub(crate) fn call_i32(&mut self, name: &str, given: &[i32]) -> Result<i32, CallError> {
        let given: Vec<_> = given.iter().map(|value| RawVal::from_i32(*value)).collect();
        self.call(name, &given).map(|values| values.first().map_or(0, |value| value.get_i32()))
    }

    pub(crate) fn trap(&mut self, name: &str, given: &[i32]) -> String {
        message(self.call_i32(name, given))
    }

    /// The memory that an instance exports as `memory`.
    pub(crate) fn memory(&mut self, instance: u32) -> MemoryId {
        match self.image().export(InstanceId(instance), "memory") {
            Some(ExportItem::Memory(id)) => id,
            other => panic!("no memory, but {other:?}"),
        }
    }

    pub(crate) fn bytes(&mut self, memory: MemoryId) -> Vec<u8> {
        self.instance.access().memory_bytes(memory).expect("a memory").to_vec()
    }
}
