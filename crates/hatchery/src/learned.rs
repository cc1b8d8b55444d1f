//! What was learned of a module by running it.

use crate::artifact::artifact_error;
use crate::error::Error;
use crate::module::{Inner, Module};
use crate::prepared::Prepared;
use std::ops::Range;
use std::sync::Arc;

/// What instances of a module were found to do with their slots: which pages they write, and what they make accessible
/// by growing memories.
///
/// It changes nothing of what they compute, only how soon a pool's slots serve them at full speed. But it tells
/// where they write: it is for those who may know that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Learned {
    image: hatchery_image::Learned,
}

impl Learned {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.image.is_empty()
    }

    /// What is written, as ranges of bytes of the slot, in whole pages of 4 KiB.
    pub fn written(&self) -> impl ExactSizeIterator<Item = Range<u64>> {
        self.image.written.iter().cloned()
    }

    /// What is made accessible by growth, as ranges of bytes of the slot, in whole pages of 4 KiB.
    pub fn grown(&self) -> impl ExactSizeIterator<Item = Range<u64>> {
        self.image.grown.iter().cloned()
    }
}

impl<T: 'static> Prepared<T> {
    /// What instances of this have been found to do so far. Nothing, where slots do not come from a pool.
    pub fn learned(&self) -> Learned {
        Learned { image: self.vm.learned() }
    }
}

impl Module {
    /// The same module, with what its instances were found to do, in this process or another: saved with it, and
    /// where the slots of a pool begin.
    ///
    /// ```
    /// use hatchery::{Allocation, Config, Engine, Linker, Module, Pooling};
    ///
    /// let engine = Engine::new(&Config::new().allocation(Allocation::Pooling(Pooling::new(1))))?;
    /// let module = Module::new(&engine, r#"
    ///     (module (memory 1) (func (export "f") (i32.store (i32.const 5000) (i32.const 1))))
    /// "#)?;
    /// let linker = Linker::new(&engine);
    /// let prepared = linker.prepare(&module)?;
    /// let mut instance = prepared.instantiate(())?;
    /// instance.func::<(), ()>("f")?.call(&mut instance, ())?;
    /// drop(instance);
    ///
    /// let module = module.with_learned(&prepared.learned())?;
    /// assert_eq!(module.learned().written().len(), 1);
    /// let artifact = module.serialize()?;
    /// # Ok::<(), hatchery::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it is of a module with other slots, or there is no memory for another handle of this one.
    pub fn with_learned(&self, learned: &Learned) -> Result<Module, Error> {
        let Inner { engine, image, root, .. } = &*self.inner;
        let image = image.with_learned(learned.image.clone()).map_err(artifact_error)?;
        Ok(Module { inner: Arc::new(Inner::new(engine.clone(), Arc::new(image), *root)) })
    }

    /// What is stored with it.
    pub fn learned(&self) -> Learned {
        Learned { image: self.inner.image.learned() }
    }
}
