//! Which probe a send stamp belongs to. The kernel knows a probe by a number: one that goes with
//! it (`SCM_TS_OPT_ID`, since Linux 6.13), or else its own count of what the socket sent.
//!
//! Knows no socket.

use crate::probe::ProbeId;

/// How many probes may wait for their stamps; an older one's stamp is not known any more.
const REMEMBERED: u32 = 4096;

/// How a probe comes by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// It goes with the probe, unless the kernel turns out not to know of that.
    Tried,
    /// It goes with the probe.
    Told,
    /// The kernel counts, from zero on.
    Counted,
}

/// The numbers of one socket's probes.
#[derive(Debug)]
pub(super) struct Stamps {
    /// By number, as many as there were, or may be remembered.
    probes: Vec<Option<(u32, ProbeId)>>,
    next: u32,
    naming: Naming,
    /// The latest number that has a stamp to come, and the latest whose stamp came.
    due: Option<u32>,
    came: Option<u32>,
}

impl Stamps {
    pub(super) fn new(naming: Naming) -> Self {
        Self {
            probes: Vec::new(),
            next: 0,
            naming,
            due: None,
            came: None,
        }
    }

    /// How probes come by their numbers.
    pub(super) fn naming(&self) -> Naming {
        self.naming
    }

    /// The number that goes with the probe `ahead` places behind the next.
    pub(super) fn told(&self, ahead: usize) -> Option<u32> {
        let ahead = u32::try_from(ahead).ok()?;
        (self.naming != Naming::Counted).then(|| self.next.wrapping_add(ahead))
    }

    /// The next probe went; the kernel counts those alone that are to be stamped.
    pub(super) fn went(&mut self, id: ProbeId, stamped: bool) {
        let number = self.next;
        if stamped {
            let place = place(number);
            if place >= self.probes.len() {
                self.probes.resize(place.saturating_add(1), None);
            }
            if let Some(place) = self.probes.get_mut(place) {
                *place = Some((number, id));
            }
            self.due = Some(number);
            if self.naming == Naming::Tried {
                self.naming = Naming::Told;
            }
        }
        if stamped || self.naming != Naming::Counted {
            self.next = number.wrapping_add(1);
        }
    }

    /// Whether the latest stamp has yet to come.
    pub(super) fn are_due(&self) -> bool {
        self.due != self.came
    }

    /// The next probe, to be stamped, was refused. True when the kernel may have counted it all the same, so that
    /// counting must begin anew.
    pub(super) fn refused(&mut self) -> bool {
        self.next = self.next.wrapping_add(1);
        self.naming == Naming::Counted
    }

    /// Counting begins anew at zero, and what was sent before is forgotten.
    pub(super) fn count_anew(&mut self) {
        self.probes.fill(None);
        self.next = 0;
        self.naming = Naming::Counted;
        (self.due, self.came) = (None, None);
    }

    /// The probe of this number.
    pub(super) fn probe(&mut self, number: u32) -> Option<ProbeId> {
        let found = (*self.probes.get(place(number))?)?;
        if found.0 != number {
            return None;
        }
        self.came = Some(number);
        Some(found.1)
    }
}

/// Where the probe of this number is remembered.
fn place(number: u32) -> usize {
    (number % REMEMBERED) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_to_its_probe() {
        let mut stamps = Stamps::new(Naming::Tried);
        assert_eq!((stamps.told(0), stamps.told(2)), (Some(0), Some(2)));
        stamps.went(70, true);
        assert_eq!(stamps.naming(), Naming::Told);
        assert!(!stamps.refused());
        stamps.went(90, true);
        assert_eq!(stamps.probe(0), Some(70));
        assert_eq!(stamps.probe(1), None);
        assert_eq!(stamps.probe(2), Some(90));
        assert_eq!(stamps.probe(REMEMBERED), None);
    }

    #[test]
    fn a_newer_number_takes_the_place_of_an_older() {
        let mut stamps = Stamps::new(Naming::Told);
        for id in 0..=u64::from(REMEMBERED) {
            stamps.went(id, true);
        }
        assert_eq!(stamps.probe(0), None);
        assert_eq!(stamps.probe(1), Some(1));
        assert_eq!(stamps.probe(REMEMBERED), Some(u64::from(REMEMBERED)));
    }

    #[test]
    fn a_count_that_may_be_wrong_begins_anew() {
        let mut stamps = Stamps::new(Naming::Counted);
        assert_eq!(stamps.told(0), None);
        stamps.went(5, true);
        assert!(stamps.refused());
        stamps.count_anew();
        assert_eq!(stamps.probe(0), None);
        stamps.went(6, true);
        assert_eq!(stamps.probe(0), Some(6));
    }

    #[test]
    fn who_is_not_stamped_has_no_number_in_a_count() {
        for (naming, numbers) in [(Naming::Counted, [0, 1]), (Naming::Told, [1, 3])] {
            let mut stamps = Stamps::new(naming);
            for (id, stamped) in [(5, false), (6, true), (7, false), (8, true), (9, false)] {
                stamps.went(id, stamped);
            }
            assert_eq!(
                numbers.map(|number| stamps.probe(number)),
                [Some(6), Some(8)]
            );
        }
    }

    #[test]
    fn stamps_are_due_until_the_latest_came() {
        let mut stamps = Stamps::new(Naming::Told);
        assert!(!stamps.are_due());
        stamps.went(5, true);
        stamps.went(6, true);
        stamps.went(7, false);
        assert!(stamps.are_due());
        stamps.probe(0);
        assert!(stamps.are_due());
        stamps.probe(1);
        assert!(!stamps.are_due());
    }
}
