//! What a HID device says of its reports (HID 1.11 §6.2.2): where in which report each usage stands.

use std::collections::BTreeMap;

/// A usage with its page in the upper half (HUT 1.5 §3).
pub(super) type Usage = u32;

/// Reports can say a lot; no headset comes near that.
const MOST_FIELDS: usize = 1_024;

/// One value in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The report's number; 0: the device does not number them.
    pub report: u8,
    /// The first bit, counted behind the number.
    pub at: usize,
    pub bits: usize,
    /// It tells a press, not a state.
    pub relative: bool,
    pub means: Means,
}

/// What a value stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Means {
    /// How it is with this usage.
    Variable(Usage),
    /// Which of these is pressed, counted from the first number; any other: none is.
    Array { first: i64, usages: Vec<Usage> },
}

/// All that is said of a device's reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub inputs: Vec<Field>,
    pub outputs: Vec<Field>,
    /// The length of each output report, in bits.
    pub output_bits: BTreeMap<u8, usize>,
    /// Reports begin with their number.
    pub numbered: bool,
}

#[derive(Clone, Copy, Default)]
struct Global {
    page: u16,
    least: i64,
    size: usize,
    count: usize,
    report: u8,
}

#[derive(Default)]
struct Local {
    usages: Vec<Usage>,
    first: Option<Usage>,
}

/// Reads a report descriptor. What is cut off or makes no sense ends it: what was read until there counts.
pub(super) fn read(bytes: &[u8]) -> Layout {
    let (mut layout, mut global, mut local) = (Layout::default(), Global::default(), Local::default());
    let (mut kept, mut input_bits) = (Vec::new(), BTreeMap::new());
    let mut rest = bytes;
    while let Some((tag, data, behind)) = item(rest) {
        rest = behind;
        let number = unsigned(data);
        match tag {
            // Main
            0x80 => add(&mut layout.inputs, &mut input_bits, number, global, &mut local),
            0x90 => add(&mut layout.outputs, &mut layout.output_bits, number, global, &mut local),
            0xa0 | 0xb0 | 0xc0 => local = Local::default(),
            // Global
            0x04 => global.page = number as u16,
            0x14 => global.least = signed(data),
            0x74 => global.size = (number as usize).min(64),
            0x94 => global.count = (number as usize).min(MOST_FIELDS),
            0x84 => {
                global.report = number as u8;
                layout.numbered = true;
            }
            0xa4 => kept.push(global),
            0xb4 => global = kept.pop().unwrap_or(global),
            // Local
            0x08 => local.usages.push(usage(global.page, data)),
            0x18 => local.first = Some(usage(global.page, data)),
            0x28 => {
                let last = usage(global.page, data);
                let first = local.first.take().unwrap_or(last);
                local.usages.extend((first..=last).take(MOST_FIELDS));
            }
            _ => {}
        }
        if layout.inputs.len() + layout.outputs.len() + local.usages.len() > MOST_FIELDS {
            break;
        }
    }
    layout
}

/// The next item: its tag and type, its data, what is behind it.
fn item(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (prefix, rest) = bytes.split_first()?;
    if *prefix == 0xfe {
        // A long item: none is defined.
        let length = usize::from(*rest.first()?);
        return Some((0xfe, &[], rest.get(2 + length..)?));
    }
    let length = [0, 1, 2, 4][usize::from(prefix & 3)];
    Some((prefix & 0xfc, rest.get(..length)?, rest.get(length..)?))
}

fn add(to: &mut Vec<Field>, ends: &mut BTreeMap<u8, usize>, flags: u32, global: Global, local: &mut Local) {
    let usages = std::mem::take(local).usages;
    let end = ends.entry(global.report).or_default();
    let (constant, variable, relative) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
    for n in 0..global.count {
        let means = match usages.get(n).or(usages.last()) {
            None => None,
            Some(usage) if variable => Some(Means::Variable(*usage)),
            Some(_) => Some(Means::Array { first: global.least, usages: usages.clone() }),
        };
        if let Some(means) = means.filter(|_| !constant && global.size > 0 && to.len() < MOST_FIELDS) {
            to.push(Field { report: global.report, at: *end, bits: global.size, relative, means });
        }
        *end += global.size;
    }
}

fn usage(page: u16, data: &[u8]) -> Usage {
    // Four bytes bring their own page.
    if data.len() == 4 { unsigned(data) } else { u32::from(page) << 16 | unsigned(data) }
}

fn unsigned(data: &[u8]) -> u32 {
    data.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn signed(data: &[u8]) -> i64 {
    let unused = 64 - 8 * data.len() as u32;
    if data.is_empty() { 0 } else { i64::from(unsigned(data)) << unused >> unused }
}

#[cfg(test)]
mod tests {
    use super::super::report::Reports;
    use super::*;
    use crate::ua::headset::Lights;

    #[test]
    fn whatever_is_cut_or_changed_is_survived() {
        let whole = super::super::report::tests::HEADSET;
        for end in 0..whole.len() {
            read(&whole[..end]);
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.to_vec();
                changed[at] ^= 1 << bit;
                if let Some(mut reports) = Reports::new(&changed) {
                    reports.read(&[2, 0xff, 0xff]);
                    reports.read(&[0xff; 70]);
                    reports.show(Lights { off_hook: true, mute: true, ring: true, hold: true });
                }
                let layout = read(&changed);
                assert!(layout.inputs.len() + layout.outputs.len() <= MOST_FIELDS);
            }
        }
        // Numbers without bounds.
        assert!(
            read(&[0x05, 0x0b, 0x1b, 0, 0, 0, 0, 0x2b, 0xff, 0xff, 0xff, 0xff, 0x95, 0xff, 0x81, 2]).inputs.len()
                <= MOST_FIELDS
        );
    }
}
