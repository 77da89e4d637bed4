//! From reports to buttons, and from lights to reports: the telephony and the LED page (HUT 1.5 §14, §11).

use std::collections::BTreeMap;

use super::descriptor::{self, Field, Layout, Means, Usage};
use crate::ua::headset::{Button, Lights};

const TELEPHONY: Usage = 0x0b << 16;
const HOOK_SWITCH: Usage = TELEPHONY | 0x20;
const FLASH: Usage = TELEPHONY | 0x21;
const HOLD: Usage = TELEPHONY | 0x23;
const DROP: Usage = TELEPHONY | 0x26;
const PHONE_MUTE: Usage = TELEPHONY | 0x2f;
const BUTTONS: [Usage; 5] = [HOOK_SWITCH, FLASH, HOLD, DROP, PHONE_MUTE];

const LED: Usage = 0x08 << 16;
const MUTE_LIGHT: Usage = LED | 0x09;
const OFF_HOOK_LIGHT: Usage = LED | 0x17;
const RING_LIGHT: Usage = LED | 0x18;
const HOLD_LIGHT: Usage = LED | 0x20;

/// How one headset speaks, and what it has said.
pub(super) struct Reports {
    layout: Layout,
    /// What its buttons were like last.
    last: BTreeMap<Usage, bool>,
}

impl Reports {
    /// None: a device without the buttons and the lights of a telephone. A headset may have them in two interfaces.
    pub(super) fn new(descriptor: &[u8]) -> Option<Reports> {
        let layout = descriptor::read(descriptor);
        let names = |field: &Field, of: &[Usage]| match &field.means {
            Means::Variable(usage) => of.contains(usage),
            Means::Array { usages, .. } => usages.iter().any(|usage| of.contains(usage)),
        };
        let phone = layout.inputs.iter().any(|field| names(field, &[HOOK_SWITCH, PHONE_MUTE]))
            || layout.outputs.iter().any(|field| names(field, &[OFF_HOOK_LIGHT, RING_LIGHT]));
        phone.then(|| Reports { layout, last: BTreeMap::new() })
    }

    /// What a report says was pressed.
    pub(super) fn read(&mut self, report: &[u8]) -> Vec<Button> {
        let (number, data) = match report.split_first() {
            Some((number, data)) if self.layout.numbered => (*number, data),
            _ => (0, report),
        };
        let (mut pressed, known) = (Vec::new(), self.last.contains_key(&HOOK_SWITCH));
        for usage in BUTTONS {
            let says = |field: &&Field| {
                field.report == number
                    && match &field.means {
                        Means::Variable(of) => *of == usage,
                        Means::Array { usages, .. } => usages.contains(&usage),
                    }
            };
            let mut fields = self.layout.inputs.iter().filter(says).peekable();
            // An array only names what is pressed: it tells of presses, as a relative value does.
            let Some(press) = fields.peek().map(|f| f.relative || matches!(f.means, Means::Array { .. })) else {
                continue;
            };
            let on = fields.any(|field| match (&field.means, value(data, field)) {
                (_, None) => false,
                (Means::Variable(_), Some(value)) => value != 0,
                (Means::Array { first, usages }, Some(value)) => {
                    let nth = (value as i64).checked_sub(*first).and_then(|n| usize::try_from(n).ok());
                    nth.and_then(|n| usages.get(n)) == Some(&usage)
                }
            });
            let before = self.last.insert(usage, on).unwrap_or(false);
            if on != before {
                pressed.extend(button(usage, on, press));
            }
        }
        if !known && pressed.len() > 1 {
            // Another button tells for the first time how the hook has been all along.
            pressed.retain(|button| *button != Button::OffHook);
        }
        pressed
    }

    /// The reports that show these lights; none for a headset without any.
    pub(super) fn show(&self, lights: Lights) -> Vec<Vec<u8>> {
        let mut reports = BTreeMap::new();
        for field in &self.layout.outputs {
            let on = match field.means {
                Means::Variable(MUTE_LIGHT) => lights.mute,
                Means::Variable(OFF_HOOK_LIGHT) => lights.off_hook,
                Means::Variable(RING_LIGHT) => lights.ring,
                Means::Variable(HOLD_LIGHT) => lights.hold,
                _ => continue,
            };
            let bits = self.layout.output_bits.get(&field.report).copied().unwrap_or(0);
            let report = reports.entry(field.report).or_insert_with(|| {
                let mut report = vec![0; 1 + bits.div_ceil(8)];
                report[0] = field.report;
                report
            });
            report[1 + field.at / 8] |= u8::from(on) << (field.at % 8);
        }
        reports.into_values().collect()
    }
}

fn button(usage: Usage, on: bool, press: bool) -> Option<Button> {
    Some(match (usage, on, press) {
        (HOOK_SWITCH, true, true) => Button::Hook,
        (HOOK_SWITCH, true, false) => Button::OffHook,
        (HOOK_SWITCH, false, false) => Button::OnHook,
        (PHONE_MUTE, true, true) => Button::Mute,
        (PHONE_MUTE, on, false) => {
            if on {
                Button::MuteOn
            } else {
                Button::MuteOff
            }
        }
        (FLASH, true, _) => Button::Flash,
        (HOLD, true, _) => Button::Hold,
        (DROP, true, _) => Button::Drop,
        _ => return None,
    })
}

/// None: the report ends before it.
fn value(data: &[u8], field: &Field) -> Option<u64> {
    (field.at..field.at + field.bits).rev().try_fold(0, |value, bit| {
        let byte = data.get(bit / 8)?;
        Some(value << 1 | u64::from(byte >> (bit % 8) & 1))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A headset: report 2 in with hook switch (a state), flash, mute and drop (presses), report 2 out with off-hook, mute, ring and
    /// hold light, and volume keys of the consumer page in report 1.
    pub(in super::super) const HEADSET: &[u8] = &[
        0x05, 0x0c, 0x09, 0x01, 0xa1, 0x01, 0x85, 0x01, 0x15, 0x00, 0x25, 0x01, 0x09, 0xe9, 0x09, 0xea, 0x75, 0x01,
        0x95, 0x02, 0x81, 0x02, 0x95, 0x06, 0x81, 0x03, 0xc0, // volume
        0x05, 0x0b, 0x09, 0x05, 0xa1, 0x01, 0x85, 0x02, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, // telephony
        0x09, 0x20, 0x95, 0x01, 0x81, 0x22, // hook switch: variable, absolute
        0x09, 0x21, 0x09, 0x2f, 0x09, 0x26, 0x95, 0x03, 0x81, 0x06, // flash, mute, drop: variable, relative
        0x95, 0x04, 0x81, 0x01, // to the byte's end
        0x05, 0x08, 0x09, 0x17, 0x09, 0x09, 0x09, 0x18, 0x09, 0x20, 0x95, 0x04, 0x91, 0x22, // lights
        0x95, 0x04, 0x91, 0x01, 0xc0,
    ];

    /// The same without numbers, its keys as an array.
    const KEYS: &[u8] = &[
        0x05, 0x0b, 0x09, 0x05, 0xa1, 0x01, 0x15, 0x01, 0x25, 0x03, 0x75, 0x08, 0x95, 0x01, 0x09, 0x20, 0x09, 0x2f,
        0x09, 0x23, 0x81, 0x00, 0xc0,
    ];

    #[test]
    fn a_state_is_told_when_it_changes_and_a_press_when_it_comes() {
        let mut reports = Reports::new(HEADSET).unwrap();
        let mut read = |byte: u8| reports.read(&[2, byte]);
        assert_eq!(read(0b0000), []);
        assert_eq!(read(0b0001), [Button::OffHook]);
        assert_eq!(read(0b0001), []);
        assert_eq!(read(0b0101), [Button::Mute]);
        assert_eq!(read(0b0001), [], "it is let go");
        assert_eq!(read(0b0101), [Button::Mute]);
        assert_eq!(read(0b0010), [Button::OnHook, Button::Flash]);
        assert_eq!(read(0b1000), [Button::Drop]);
        assert_eq!(reports.read(&[1, 0b0001]), [], "that is the volume");
        assert_eq!(reports.read(&[]), []);
        assert_eq!(reports.read(&[2]), []);
    }

    #[test]
    fn a_hook_that_was_off_all_along_is_not_taken_off() {
        let mut reports = Reports::new(HEADSET).unwrap();
        assert_eq!(reports.read(&[2, 0b0101]), [Button::Mute]);
        assert_eq!(reports.read(&[2, 0b0000]), [Button::OnHook]);
    }

    #[test]
    fn an_array_names_what_is_pressed() {
        let mut reports = Reports::new(KEYS).unwrap();
        let mut read = |byte: u8| reports.read(&[byte]);
        assert_eq!(read(1), [Button::Hook]);
        assert_eq!(read(0), []);
        assert_eq!(read(2), [Button::Mute]);
        assert_eq!(read(3), [Button::Hold], "without a pause in between");
        assert_eq!(read(200), []);
        assert_eq!(reports.show(Lights { mute: true, ..Lights::default() }), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn lights_stand_where_the_headset_has_them() {
        let reports = Reports::new(HEADSET).unwrap();
        let show = |off_hook, mute, ring, hold| reports.show(Lights { off_hook, mute, ring, hold });
        assert_eq!(show(true, false, false, false), [[2, 0b0001]]);
        assert_eq!(show(true, true, false, false), [[2, 0b0011]]);
        assert_eq!(show(false, false, true, true), [[2, 0b1100]]);
        assert_eq!(show(false, false, false, false), [[2, 0]]);
    }

    #[test]
    fn a_keyboard_is_no_headset() {
        let keyboard = [
            0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02,
            0xc0,
        ];
        assert!(Reports::new(&keyboard).is_none());
        assert!(Reports::new(&[]).is_none());
    }
}
