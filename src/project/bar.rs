//! The bar of what fetches packages: first the names that are looked up, then
//! the archives that come in.

use crate::install::fill::{Busy, Watch};
use crate::ui::{Progress, Ui, Unit};
use mirror::name::escape;

pub struct Bar {
    progress: Progress,
    /// What is done with the packages: `Installing`.
    what: &'static str,
}

impl Bar {
    pub fn new(ui: &mut Ui, what: &'static str) -> Self {
        Self { progress: ui.progress("Choosing versions", Unit::Packages), what }
    }
}

impl Watch for Bar {
    fn name_known(&self) {
        self.progress.add(1);
    }

    fn begin(&self, packages: usize) {
        self.progress.stage(self.what, Unit::Packages, packages as u64);
    }

    fn package_done(&self, _: u64) {
        self.progress.add(1);
    }

    fn waiting(&self, busy: Busy<'_>) {
        self.progress.status(&waiting(busy));
    }
}

/// What is said while another process is waited for.
pub fn waiting(busy: Busy<'_>) -> String {
    match busy {
        Busy::Project => "Waiting for another process to finish with this project".into(),
        Busy::Store => "Waiting for other processes to finish with the store".into(),
        Busy::Mirror(holder) => {
            format!("Waiting for another process to finish with the mirror ({})", escape(holder))
        }
    }
}
