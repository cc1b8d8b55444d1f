//! What the host calls, and what it is called by: wrappers, and their description.

use super::arena::ArenaFunc;
use super::error::GlueError;
use super::fun::{Fun, address, val_types};
use super::runtime::Service;
use super::writer::{FuncPlace, Writer};
use crate::abi::Side;
use crate::meta::{self, CoreRef, ExportFunc, Handles, HostOptions, ImportFunc, Lowered, Meta};
use crate::name::Name;
use crate::plan::{self, CanonOptions, ComponentInstanceId, FuncId, ResourceDef};
use crate::types::{FuncType, FuncTypeId, ResourceId};
use std::collections::HashMap;
use wasm_encoder::{Instruction as I, ValType};

/// Who the host passes values to and gets them from.
#[derive(Debug, Clone)]
pub(super) enum Via {
    /// A component instance.
    Guest(CanonOptions, ComponentInstanceId),
    /// Itself.
    Arena,
}

/// A core import that stands for a function of the host.
#[derive(Debug, Clone)]
pub(super) struct HostCall {
    import: u32,
    core: (Name, Name),
    via: Via,
}

/// What has been found out about the host's part.
#[derive(Debug, Default)]
pub(super) struct HostSide {
    calls: Vec<HostCall>,
    /// By the number of the import: core imports so far.
    counts: HashMap<u32, u32>,
    /// By resource: the core import that destroys one.
    drops: HashMap<ResourceId, (Name, Name)>,
    handles: HashMap<ComponentInstanceId, HandlePlaces>,
    lifted: HashMap<FuncId, LiftedPlaces>,
    destructors: Vec<Option<FuncPlace>>,
    reallocs: HashMap<(plan::CoreFuncId, ComponentInstanceId), FuncPlace>,
}

/// Functions of a component instance's handle table.
#[derive(Debug, Clone)]
struct HandlePlaces {
    lift_own: FuncPlace,
    lift_borrow: FuncPlace,
    lower_own: FuncPlace,
    lower_borrow: FuncPlace,
    begin_call: FuncPlace,
    end_call: FuncPlace,
}

/// An exported function.
#[derive(Debug, Clone)]
pub(super) struct LiftedPlaces {
    pub(super) ty: FuncTypeId,
    pub(super) via: Via,
    pub(super) core: FuncPlace,
    pub(super) post_return: Option<FuncPlace>,
}

impl Writer<'_> {
    /// Module name and name of a core import for a function of the host, called like this.
    pub(super) fn host_function(&mut self, import: u32, via: Via) -> Result<(Name, Name), GlueError> {
        let def = self.plan.imports.get(import as usize).ok_or(GlueError::Malformed("an import"))?;
        let (interface, name) = (def.interface.as_deref().unwrap_or_default(), &*def.name);
        self.meter.name(interface)?;
        self.meter.name(name)?;
        let count = self.host.counts.entry(import).or_default();
        // No name of an interface's function has this sign.
        let name = if *count == 0 { name.into() } else { format!("{name}#{count}").into() };
        *count += 1;
        let core: (Name, Name) = (interface.into(), name);
        self.host.calls.push(HostCall { import, core: core.clone(), via });
        Ok(core)
    }

    /// Module name and name of the core import that destroys a resource of the host.
    pub(super) fn host_drop(&mut self, resource: ResourceId) -> Result<(Name, Name), GlueError> {
        if let Some(core) = self.host.drops.get(&resource) {
            return Ok(core.clone());
        }
        let Some(ResourceDef::Host { interface, name }) = self.plan.resources.get(resource.0 as usize) else {
            return Err(GlueError::Malformed("a resource of the host"));
        };
        let interface = interface.as_deref().unwrap_or_default();
        let core: (Name, Name) = (interface.into(), format!("[resource-drop]{name}").into());
        self.host.drops.insert(resource, core.clone());
        Ok(core)
    }

    /// Writes all that a host needs: wrappers of exports, of handle tables, of `realloc`.
    pub(super) fn write_host(&mut self) -> Result<(), GlueError> {
        let mut exports: Vec<_> = self.plan.exports.iter().collect();
        while let Some((_, export)) = exports.pop() {
            match export {
                plan::Export::Func(id) => self.write_lifted(*id)?,
                plan::Export::Instance(inner) => exports.extend(inner),
                _ => {}
            }
        }
        for call in self.host.calls.clone() {
            let def = self.plan.imports.get(call.import as usize).ok_or(GlueError::Malformed("an import"))?;
            let ty = self.func_type(def.ty)?;
            self.write_options(&call.via, ty)?;
        }
        for number in 0..self.plan.resources.len() {
            let destructor = self.write_destructor(ResourceId(number as u32))?;
            self.host.destructors.push(destructor);
        }
        Ok(())
    }

    fn write_lifted(&mut self, id: FuncId) -> Result<(), GlueError> {
        if self.host.lifted.contains_key(&id) {
            return Ok(());
        }
        let places = match self.func(id.0)?.clone() {
            plan::Func::Import(import) => self.write_forward(import)?,
            plan::Func::Lift { core, ty, options, component } => {
                self.ensure(core)?;
                let func_type = self.func_type(ty)?;
                let results = self.layouts(options.memory64).signature(func_type, Side::Lift).results;
                let post_return = self.write_post_return(&options, component, &val_types(&results))?;
                let via = Via::Guest(options, component);
                self.write_options(&via, func_type)?;
                LiftedPlaces { ty, via, core: self.place(core)?, post_return }
            }
        };
        self.host.lifted.insert(id, places);
        Ok(())
    }

    fn write_post_return(
        &mut self,
        options: &CanonOptions,
        component: ComponentInstanceId,
        results: &[ValType],
    ) -> Result<Option<FuncPlace>, GlueError> {
        let Some(post_return) = options.post_return else { return Ok(None) };
        self.ensure(post_return)?;
        self.confined_call(post_return, component, (results, &[])).map(Some)
    }

    /// What [`HostOptions`] refer to.
    fn write_options(&mut self, via: &Via, ty: &FuncType) -> Result<(), GlueError> {
        let Via::Guest(options, component) = via else { return Ok(()) };
        let component = *component;
        if let Some(realloc) = options.realloc
            && !self.host.reallocs.contains_key(&(realloc, component))
        {
            self.ensure(realloc)?;
            let address = address(options.memory64);
            let place = self.confined_call(realloc, component, (&[address; 4], &[address]))?;
            self.host.reallocs.insert((realloc, component), place);
        }
        if self.contents.of_func(ty).handles && !self.host.handles.contains_key(&component) {
            let places = self.write_handles(component)?;
            self.host.handles.insert(component, places);
        }
        Ok(())
    }

    fn write_handles(&mut self, component: ComponentInstanceId) -> Result<HandlePlaces, GlueError> {
        Ok(HandlePlaces {
            lift_own: self.handle_function(Some(component), Service::LiftOwn)?,
            lift_borrow: self.handle_function(Some(component), Service::LiftBorrow)?,
            lower_own: self.handle_function(Some(component), Service::Add)?,
            lower_borrow: self.handle_function(Some(component), Service::LowerBorrow)?,
            begin_call: self.handle_function(None, Service::BeginCall)?,
            end_call: self.handle_function(None, Service::EndCall)?,
        })
    }

    /// A function of the handle tables as the host calls it: `(resource, …)` where the service has `(table, tag, …)`.
    fn handle_function(
        &mut self,
        table: Option<ComponentInstanceId>,
        service: Service,
    ) -> Result<FuncPlace, GlueError> {
        let (params, results) = service.signature();
        let count = match (table, service) {
            (None, _) => params.len(),
            // Nobody is lent what is owned.
            (_, Service::Add) => 2,
            _ => params.len() - 1,
        };
        let mut f = Fun::new(vec![ValType::I32; count], results);
        if let Some(component) = table {
            self.table(&mut f, component)?;
            f.ops([I::LocalGet(0), I::I32Const(1), I::I32Add]);
        }
        let rest = if table.is_some() { 1 } else { 0 };
        (rest..count as u32).for_each(|param| f.get(param));
        if service == Service::Add {
            f.i32(0);
        }
        self.service(&mut f, service)?;
        self.add(&format!("handles: {service:?}"), f).map(FuncPlace::Glue)
    }

    fn write_destructor(&mut self, resource: ResourceId) -> Result<Option<FuncPlace>, GlueError> {
        let Some(ResourceDef::Guest { dtor, .. }) = self.plan.resources.get(resource.0 as usize) else {
            return Ok(None);
        };
        if let Some(dtor) = dtor {
            self.ensure(*dtor)?;
        }
        let mut f = Fun::new(vec![ValType::I32], Vec::new());
        f.get(0);
        self.destroy(&mut f, resource)?;
        self.add(&format!("destroy {}", resource.0), f).map(|place| Some(FuncPlace::Glue(place)))
    }

    // The description, when all modules are complete.

    pub(super) fn meta(&mut self) -> Result<Meta, GlueError> {
        let mut lowered = vec![Vec::new(); self.plan.imports.len()];
        for call in std::mem::take(&mut self.host.calls) {
            let missing = GlueError::Malformed("an import");
            let import = self.plan.imports.get(call.import as usize).ok_or(missing.clone())?;
            let options = self.host_options(&call.via, import.ty)?;
            let calls = lowered.get_mut(call.import as usize).ok_or(missing)?;
            calls.push(Lowered { core: texts(&call.core), options });
        }
        let plan = self.plan;
        let imports = plan.imports.iter().zip(lowered).map(|(import, lowered)| ImportFunc {
            interface: import.interface.clone(),
            name: import.name.clone(),
            ty: import.ty,
            lowered,
        });
        Ok(Meta {
            types: plan.types.clone(),
            resources: self.meta_resources()?,
            imports: imports.collect(),
            exports: self.meta_exports(&plan.exports)?,
        })
    }

    fn core_ref(&mut self, place: &FuncPlace) -> Result<CoreRef, GlueError> {
        let (instance, name) = self.export(place)?;
        self.meter.name(&name)?;
        Ok(CoreRef { instance: instance.0, name: (*name).into() })
    }

    fn meta_resources(&mut self) -> Result<Vec<meta::Resource>, GlueError> {
        let plan = self.plan;
        let resources = plan.resources.iter().enumerate().map(|(number, def)| match def {
            ResourceDef::Guest { .. } => {
                let place = self.host.destructors.get(number).cloned().flatten();
                Ok(meta::Resource::Guest { drop: self.core_ref(&place.ok_or(GlueError::Malformed("a destructor"))?)? })
            }
            ResourceDef::Host { interface, name } => Ok(meta::Resource::Host {
                interface: interface.clone(),
                name: name.clone(),
                drop: self.host.drops.get(&ResourceId(number as u32)).map(texts),
            }),
        });
        resources.collect()
    }

    fn meta_exports(
        &mut self,
        exports: &[(Box<str>, plan::Export)],
    ) -> Result<Vec<(Box<str>, meta::Export)>, GlueError> {
        let mut all = Vec::with_capacity(exports.len());
        for (name, export) in exports {
            let export = match export {
                plan::Export::Func(id) => meta::Export::Func(Box::new(self.meta_func(*id)?)),
                plan::Export::Instance(inner) => meta::Export::Instance(self.meta_exports(inner)?),
                plan::Export::Type(ty) => meta::Export::Type(*ty),
                plan::Export::Resource(resource) => meta::Export::Resource(*resource),
                plan::Export::TypeOnly | plan::Export::Module | plan::Export::Component => continue,
            };
            all.push((name.clone(), export));
        }
        Ok(all)
    }

    fn meta_func(&mut self, id: FuncId) -> Result<ExportFunc, GlueError> {
        let places = self.host.lifted.get(&id).cloned().ok_or(GlueError::Malformed("an exported function"))?;
        let abandon = match places.via {
            Via::Guest(..) => None,
            Via::Arena => Some(self.arena_ref(ArenaFunc::Clear)?),
        };
        Ok(ExportFunc {
            ty: places.ty,
            core: self.core_ref(&places.core)?,
            post_return: places.post_return.as_ref().map(|place| self.core_ref(place)).transpose()?,
            abandon,
            options: self.host_options(&places.via, places.ty)?,
        })
    }

    fn host_options(&mut self, via: &Via, ty: FuncTypeId) -> Result<HostOptions, GlueError> {
        let plan = self.plan;
        let ty = plan.types.get_func(ty).ok_or(GlueError::Malformed("a function type"))?;
        let Via::Guest(options, component) = via else { return self.forward_options(ty) };
        let handles = if self.contents.of_func(ty).handles { Some(self.meta_handles(*component, ty)?) } else { None };
        let memory = options.memory.clone().map(FuncPlace::Core);
        let realloc = options.realloc.map(|realloc| {
            let place = self.host.reallocs.get(&(realloc, *component)).cloned();
            place.ok_or(GlueError::Malformed("a realloc function"))
        });
        Ok(HostOptions {
            encoding: options.encoding,
            memory: memory.map(|place| self.core_ref(&place)).transpose()?,
            memory64: options.memory64,
            realloc: realloc.transpose()?.map(|place| self.core_ref(&place)).transpose()?,
            handles,
        })
    }

    fn meta_handles(&mut self, component: ComponentInstanceId, ty: &FuncType) -> Result<Handles, GlueError> {
        let borrowed = self.borrowed(ty)?;
        let defines = borrowed.into_iter().filter(|resource| self.defines(component, *resource)).collect();
        let places = self.host.handles.get(&component).cloned().ok_or(GlueError::Malformed("a handle table"))?;
        Ok(Handles {
            defines,
            lift_own: self.core_ref(&places.lift_own)?,
            lift_borrow: self.core_ref(&places.lift_borrow)?,
            lower_own: self.core_ref(&places.lower_own)?,
            lower_borrow: self.core_ref(&places.lower_borrow)?,
            begin_call: self.core_ref(&places.begin_call)?,
            end_call: self.core_ref(&places.end_call)?,
        })
    }
}

/// Names for the description, which is apart from everything else.
fn texts((module, name): &(Name, Name)) -> (Box<str>, Box<str>) {
    ((**module).into(), (**name).into())
}
