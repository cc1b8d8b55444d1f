//! Templates of an image: one for each isolation.

use crate::prepared::{PrepareImageError, make_template};
use hatchery_alloc::{Learning, Template};
use hatchery_image::Image;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Whose slots an instance may share, and with them what their uses have told about each other: which pages they wrote
/// shows in how long a later use takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Isolation {
    /// Instances of different tags share no slot and no working set.
    pub tag: Option<Box<str>>,
    /// Whether those of one tag learn from each other.
    pub learning: Learning,
}

/// The templates of one image that are in use: those of the same isolation are the same.
#[derive(Debug)]
pub struct Templates {
    image: Arc<Image>,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    templates: HashMap<Isolation, Weak<Template>>,
    /// Entries at which those that are gone are looked for.
    full: usize,
}

impl Templates {
    /// None yet.
    pub fn new(image: Arc<Image>) -> Templates {
        Templates { image, made: Mutex::default() }
    }

    /// What they are templates of.
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    pub(crate) fn get(&self, isolation: &Isolation) -> Result<Arc<Template>, PrepareImageError> {
        // Whatever panics under the lock leaves the map whole.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = made.templates.get(isolation).and_then(Weak::upgrade) {
            return Ok(template);
        }
        let template = Arc::new(make_template(&self.image, isolation.learning)?);
        made.insert(isolation.clone(), &template);
        Ok(template)
    }
}

impl Made {
    /// Forgets those that are gone whenever there are twice as many as there were: tags may come and go.
    fn insert(&mut self, isolation: Isolation, template: &Arc<Template>) {
        self.templates.insert(isolation, Arc::downgrade(template));
        if self.templates.len() > self.full.max(8) {
            self.templates.retain(|_, template| template.strong_count() > 0);
            self.full = 2 * self.templates.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_alloc::{PAGE, SlotLayout};

    #[test]
    fn isolations_that_are_gone_are_forgotten() {
        let mut made = Made::default();
        let template =
            || Arc::new(Template::new(SlotLayout::new(PAGE, []).expect("layout"), None, &[]).expect("template"));
        let tag = |n: usize| Isolation { tag: Some(n.to_string().into()), ..Isolation::default() };
        let kept: Vec<_> = (0..5).map(|_| template()).collect();
        kept.iter().enumerate().for_each(|(n, template)| made.insert(tag(n), template));
        (5..1000).for_each(|n| made.insert(tag(n), &template()));
        assert!(made.templates.len() <= 13, "{}", made.templates.len());
        assert!((0..5).all(|n| made.templates.contains_key(&tag(n))));
    }
}
