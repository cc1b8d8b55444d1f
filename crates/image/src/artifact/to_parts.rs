//! Back from a view to parts: for images that are made from images, as snapshots are.

use super::error::ArtifactError;
use super::image::Image;
use super::memfd::pieces;
use super::parts::{CodeSymbol, ImageParts};
use crate::items::{CoreInstance, ElemSegment, Export, HostImport};
use crate::maps::FunctionRecord;
use crate::pages::PagesBuilder;
use std::os::fd::AsFd;

impl Image {
    /// Everything the artifact holds, as what it could be made of again.
    ///
    /// # Errors
    ///
    /// When the file can no longer be read, or its envelope is damaged.
    pub fn to_parts(&self) -> Result<ImageParts, ArtifactError> {
        let parts = ImageParts {
            producer: self.producer().to_owned(),
            source: *self.source(),
            isa: self.isa(),
            tunables: self.tunables().clone(),
            types: self.types().clone(),
            code: self.text().bytes().to_vec(),
            symbols: self.symbols()?.into_iter().map(|s| CodeSymbol { offset: s.start, name: s.name }).collect(),
            entry_trampolines: self.types().iter().map(|(ty, _)| self.entry_trampoline(ty)).collect(),
            traps: self.traps().iter().collect(),
            addresses: self.addresses().iter().collect(),
            catches: self.catches().iter().collect(),
            functions: self.function_records(),
            layout: self.layout().clone(),
            pages: self.pages_builder()?,
            plan: self.plan().clone(),
            instances: self.core_instances(),
            memories: self.memories().iter().collect(),
            tables: self.tables().iter().collect(),
            globals: self.globals().iter().collect(),
            data: self.data().to_vec(),
            data_segments: self.data_segments().iter().collect(),
            elem_segments: self.elem_segment_copies(),
            imports: self.host_imports(),
            learned: self.learned(),
            extension: self.extension().to_vec(),
        };
        // What is read of a file that is shortened meanwhile is zeros.
        if self.is_withdrawn() { Err(ArtifactError::Withdrawn) } else { Ok(parts) }
    }

    fn function_records(&self) -> Vec<FunctionRecord> {
        let record = |function: super::code::FunctionRef<'_>| FunctionRecord {
            start: function.start,
            length: function.length,
            instance: function.instance,
            index: function.index,
            ty: function.ty,
            name: function.name.map(Into::into),
        };
        self.functions().iter().map(record).collect()
    }

    fn core_instances(&self) -> Vec<CoreInstance> {
        let instance = |instance: super::image::CoreInstanceRef<'_>| CoreInstance {
            name: instance.name.map(Into::into),
            exports: instance.exports().iter().map(|e| Export { name: e.name.into(), item: e.item }).collect(),
            steps: instance.steps,
            main_memory: instance.main_memory,
        };
        self.instances().iter().map(instance).collect()
    }

    fn elem_segment_copies(&self) -> Vec<ElemSegment> {
        let segment = |segment: super::image::ElemSegmentRef<'_>| ElemSegment {
            elements: segment.elements().collect(),
            dropped_offset: segment.dropped_offset,
        };
        self.elem_segments().iter().map(segment).collect()
    }

    fn host_imports(&self) -> Vec<HostImport> {
        let import = |import: super::decode::HostImportRef<'_>| HostImport {
            instance: import.instance,
            module: import.module.into(),
            name: import.name.into(),
            ty: import.ty,
            thunk: import.thunk,
            spill_shim: import.spill_shim,
        };
        self.imports().iter().map(import).collect()
    }

    fn pages_builder(&self) -> Result<PagesBuilder, ArtifactError> {
        let mut builder = PagesBuilder::new();
        let failed = ArtifactError::system("read the pages");
        let Some(file) = self.pages().file() else { return Ok(builder) };
        let file = file.as_fd().try_clone_to_owned().map(std::fs::File::from).map_err(failed)?;
        for run in self.pages().runs() {
            let mut at = run.slot_offset;
            let read = pieces(&file, run.file_offset..run.file_offset + run.length, |piece| {
                builder.write(at, piece);
                at += piece.len() as u64;
                Ok(())
            });
            read.map_err(ArtifactError::system("read the pages"))?;
        }
        Ok(builder)
    }
}
