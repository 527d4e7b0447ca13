//! Damages files the way transfers, disks and strangers do: seeded, and aware of where each format keeps its lengths and counts.
//!
//! Truncation, flipped bits and bytes, numbers set to nought or huge, parts swapped, doubled, dropped, garbage behind the end, splices of two
//! files. Where a format guards itself (lengths, checksums) most of the damage is mended around, so that it reaches beyond the first check.

use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    ops::Range,
};

use hdf5_core::jenkins_lookup3;

/// Random numbers, one after the other (SplitMix64).
#[derive(Debug, Clone)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `count`; 0 where that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        (self.draw() % count.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// A damaged file and what was done to it.
#[derive(Debug, Clone)]
pub struct Damaged {
    pub bytes: Vec<u8>,
    pub how: String,
}

/// What a file is, from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Grib2,
    NetCdf3,
    Hdf5,
    Safetensors,
    Gzip,
    Text,
    Other,
}

impl Kind {
    pub fn of(bytes: &[u8]) -> Self {
        let start = &bytes[..bytes.len().min(2048)];
        if start.starts_with(b"GRIB") {
            Self::Grib2
        } else if start.starts_with(b"CDF") {
            Self::NetCdf3
        } else if start.starts_with(b"\x89HDF") {
            Self::Hdf5
        } else if start.get(8) == Some(&b'{') {
            Self::Safetensors
        } else if start.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if !start.is_empty() && start.is_ascii() && !start.contains(&0) {
            Self::Text
        } else {
            Self::Other
        }
    }
}

/// Damages `bytes`; `other` is what a splice takes its other half from. The same seed gives the same damage.
pub fn damage(bytes: &[u8], other: &[u8], seed: u64) -> Damaged {
    let mut work = Work {
        numbers: Numbers(seed),
        bytes: bytes.to_vec(),
        other,
        how: String::new(),
    };
    work.run();
    Damaged {
        bytes: work.bytes,
        how: work.how,
    }
}

struct Work<'a> {
    numbers: Numbers,
    bytes: Vec<u8>,
    other: &'a [u8],
    how: String,
}

/// Values that lengths and counts are set to.
const NASTY: [u64; 16] = [
    0,
    1,
    2,
    4,
    127,
    128,
    255,
    256,
    0x7fff,
    0xffff,
    0x00ff_ffff,
    0x7fff_ffff,
    0x8000_0001,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// What numbers in words are set to.
const NASTY_WORDS: [&str; 20] = [
    "0",
    "-1",
    "1",
    "2",
    "255",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "1e300",
    "-1e300",
    "nan",
    "inf",
    "0.0",
    "1e-300",
    "\"\"",
    "[]",
    "{}",
    "true",
];

impl Work<'_> {
    fn run(&mut self) {
        let kind = Kind::of(&self.bytes);
        if kind == Kind::Gzip && self.numbers.below(3) > 0 {
            return self.inside_gzip();
        }
        let rounds = 1 + *self.numbers.of(&[0, 0, 0, 1, 1, 2, 3]);
        let mend = self.numbers.below(4) > 0;
        for _ in 0..rounds {
            if self.bytes.is_empty() {
                break;
            }
            let known = !matches!(kind, Kind::Other | Kind::Gzip) && self.numbers.below(4) > 0;
            match kind {
                Kind::Grib2 if known => self.sections(mend),
                Kind::NetCdf3 if known => self.header_of_netcdf3(),
                Kind::Hdf5 if known => self.objects_of_hdf5(),
                Kind::Safetensors if known => self.header_of_safetensors(mend),
                Kind::Text if known => self.lines(),
                _ => self.anywhere(),
            }
        }
        if mend {
            match kind {
                Kind::Hdf5 => mend_hdf5(&mut self.bytes),
                Kind::Grib2 => mend_png(&mut self.bytes),
                _ => {}
            }
        }
        match self.numbers.below(16) {
            0 => {
                let keep = self.numbers.below(self.bytes.len());
                self.bytes.truncate(keep);
                self.tell(format_args!("truncated to {keep}"));
            }
            1 => self.append(),
            2 if !self.other.is_empty() => self.splice(),
            _ => {}
        }
    }

    fn tell(&mut self, words: std::fmt::Arguments<'_>) {
        let apart = if self.how.is_empty() { "" } else { "; " };
        let _ = write!(self.how, "{apart}{words}");
    }

    fn inside_gzip(&mut self) {
        let mut inside = Vec::new();
        let _ = flate2::read::MultiGzDecoder::new(self.bytes.as_slice()).read_to_end(&mut inside);
        let damaged = damage(&inside, self.other, self.numbers.draw());
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&damaged.bytes).expect("memory takes it");
        self.bytes = packed.finish().expect("memory takes it");
        self.tell(format_args!("inside gzip: {}", damaged.how));
    }

    fn append(&mut self) {
        let count = 1 + self.numbers.below(3000);
        let word = self.numbers.draw().to_le_bytes();
        let garbage: Vec<u8> = match self.numbers.below(3) {
            0 => vec![0; count],
            1 => word.iter().copied().cycle().take(count).collect(),
            _ => self.bytes.iter().copied().take(count).collect(),
        };
        self.bytes.extend(garbage);
        self.tell(format_args!("{count} bytes of garbage appended"));
    }

    fn splice(&mut self) {
        let (at, from) = (self.numbers.below(self.bytes.len()), self.numbers.below(self.other.len()));
        self.bytes.truncate(at);
        self.bytes.extend(&self.other[from..]);
        self.tell(format_args!("cut at {at}, another file from {from} on"));
    }

    /// A place in the file, the head more often than the rest.
    fn place(&mut self) -> usize {
        let reach = if self.numbers.below(2) == 0 { 512 } else { usize::MAX };
        self.numbers.below(self.bytes.len().min(reach))
    }

    fn range(&mut self) -> Range<usize> {
        let start = self.place();
        let count = 1 + self.numbers.below(*self.numbers.clone().of(&[4, 16, 64, 1024]));
        start..self.bytes.len().min(start + count)
    }

    /// What may befall any file.
    fn anywhere(&mut self) {
        match self.numbers.below(10) {
            0 | 1 => {
                let (at, bit) = (self.place(), self.numbers.below(8));
                self.bytes[at] ^= 1 << bit;
                self.tell(format_args!("bit {bit} of byte {at} flipped"));
            }
            2 => {
                let (at, value) = (self.place(), *self.numbers.of(&[0u8, 1, 0x7f, 0x80, 0xff, b'0', b'9', b' ']));
                self.bytes[at] = value;
                self.tell(format_args!("byte {at} set to {value}"));
            }
            3 | 4 => {
                let at = self.place();
                let width = *self.numbers.of(&[2, 4, 8]);
                self.number(at, width);
            }
            5 => {
                let range = self.range();
                let value = *self.numbers.of(&[0u8, 0xff]);
                self.bytes[range.clone()].fill(value);
                self.tell(format_args!("bytes {range:?} set to {value}"));
            }
            6 => {
                let (from, at) = (self.range(), self.place());
                let part = self.bytes[from.clone()].to_vec();
                self.bytes.splice(at..at, part);
                self.tell(format_args!("bytes {from:?} doubled at {at}"));
            }
            7 => {
                let range = self.range();
                self.bytes.drain(range.clone());
                self.tell(format_args!("bytes {range:?} dropped"));
            }
            8 => self.digits(2048),
            _ => {
                let (a, b) = (self.range(), self.place());
                for (k, at) in a.clone().enumerate() {
                    if b + k < self.bytes.len() {
                        self.bytes.swap(at, b + k);
                    }
                }
                self.tell(format_args!("bytes {a:?} swapped with those from {b} on"));
            }
        }
    }

    /// Sets a number of `width` octets to something nasty, big or little end first.
    fn number(&mut self, at: usize, width: usize) {
        let end = self.bytes.len().min(at + width);
        let value = match self.numbers.below(8) {
            0 => self.numbers.draw(),
            1 => self.bytes.len() as u64,
            _ => *self.numbers.of(&NASTY),
        };
        let big = self.numbers.below(2) == 0;
        let octets = if big {
            value.to_be_bytes()[8 - width.min(8)..].to_vec()
        } else {
            value.to_le_bytes().to_vec()
        };
        let count = end - at;
        self.bytes[at..end].copy_from_slice(&octets[..count]);
        let order = if big { "big" } else { "little" };
        self.tell(format_args!("{width} bytes at {at} set to {value} ({order} end first)"));
    }

    /// Sets a number written in digits, among the first `reach` bytes.
    fn digits(&mut self, reach: usize) {
        let head = &self.bytes[..self.bytes.len().min(reach)];
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (k, byte) in head
            .iter()
            .enumerate()
            .filter(|(_, b)| b.is_ascii_digit() || **b == b'.' || **b == b'-')
        {
            let _ = byte;
            match runs.last_mut() {
                Some(run) if run.end == k => run.end = k + 1,
                _ => runs.push(k..k + 1),
            }
        }
        if runs.is_empty() {
            return;
        }
        let run = self.numbers.of(&runs).clone();
        let word = *self.numbers.of(&NASTY_WORDS);
        // Most formats keep their digits in columns: the width stays, at times.
        let word = if self.numbers.below(2) == 0 {
            word.to_owned()
        } else {
            format!("{word:0>width$.width$}", width = run.len())
        };
        self.bytes.splice(run.clone(), word.bytes());
        self.tell(format_args!("digits {run:?} set to {word}"));
    }

    /// GRIB2: the sections of one message.
    fn sections(&mut self, mend: bool) {
        let messages = messages(&self.bytes);
        if messages.is_empty() {
            return self.anywhere();
        }
        let message = self.numbers.of(&messages).clone();
        let whole = self.bytes[message.clone()].to_vec();
        let mut parts = parts(&whole);
        if parts.is_empty() {
            return self.anywhere();
        }
        let (k, other) = (self.numbers.below(parts.len()), self.numbers.below(parts.len()));
        match self.numbers.below(12) {
            0 => {
                parts.swap(k, other);
                self.tell(format_args!("parts {k} and {other} swapped"));
            }
            1 => {
                parts.insert(other, parts[k].clone());
                self.tell(format_args!("part {k} doubled at {other}"));
            }
            2 if parts.len() > 1 => {
                parts.remove(k);
                self.tell(format_args!("part {k} dropped"));
            }
            3 => {
                let keep = self.numbers.below(parts[k].len());
                parts[k].truncate(keep);
                self.tell(format_args!("part {k} truncated to {keep}"));
            }
            4 => {
                let more = self.numbers.below(300);
                parts[k].extend(vec![self.numbers.draw() as u8; more]);
                self.tell(format_args!("part {k} grown by {more}"));
            }
            _ if parts[k].len() > 5 => {
                // Heads of sections are short; data long: both get their share.
                let reach = parts[k].len() - 5;
                let at = 5 + self
                    .numbers
                    .below(if self.numbers.clone().below(4) == 0 { reach } else { reach.min(90) });
                self.tell(format_args!("part {k}:"));
                let rest = std::mem::replace(&mut self.bytes, parts[k].clone());
                match self.numbers.below(4) {
                    0 => {
                        let bit = self.numbers.below(8);
                        self.bytes[at] ^= 1 << bit;
                        self.tell(format_args!("bit {bit} of byte {at} flipped"));
                    }
                    _ => {
                        let width = *self.numbers.of(&[1, 1, 2, 4]);
                        self.number(at, width);
                    }
                }
                parts[k] = std::mem::replace(&mut self.bytes, rest);
            }
            _ => self.tell(format_args!("nothing")),
        }
        if mend {
            for part in parts.iter_mut().filter(|p| p.len() >= 5) {
                let length = part.len() as u32;
                part[..4].copy_from_slice(&length.to_be_bytes());
            }
        }
        let mut out = [&whole[..16], &parts.concat(), b"7777"].concat();
        if mend {
            let length = out.len() as u64;
            out[8..16].copy_from_slice(&length.to_be_bytes());
        }
        self.bytes.splice(message, out);
    }

    /// NetCDF 3: numbers of four bytes and names, up to the first data.
    fn header_of_netcdf3(&mut self) {
        let head = self.bytes.len().min(2048);
        match self.numbers.below(4) {
            0 => self.anywhere(),
            1 => self.digits(head),
            _ => {
                let at = 4 * self.numbers.below(head / 4);
                self.number(at, 4);
            }
        }
    }

    /// HDF5: numbers behind a signature, or somewhere in the first kilobytes, where headers of version 1 have none.
    fn objects_of_hdf5(&mut self) {
        let places = signatures(&self.bytes);
        let at = if places.is_empty() || self.numbers.below(4) == 0 {
            self.numbers.below(self.bytes.len().min(8192))
        } else {
            *self.numbers.of(&places) + self.numbers.below(120)
        };
        let at = at.min(self.bytes.len() - 1);
        if self.numbers.below(3) == 0 {
            let bit = self.numbers.below(8);
            self.bytes[at] ^= 1 << bit;
            self.tell(format_args!("bit {bit} of byte {at} flipped"));
        } else {
            let width = *self.numbers.of(&[1, 2, 4, 8]);
            self.number(at, width);
        }
    }

    /// Safetensors: the length of the header, and its words.
    fn header_of_safetensors(&mut self, mend: bool) {
        let length = u64::from_le_bytes(self.bytes[..8].try_into().unwrap_or_default());
        let end = (length.min(self.bytes.len() as u64 - 8) + 8) as usize;
        if self.numbers.below(6) == 0 {
            return self.number(0, 8);
        }
        let head = self.bytes[8..end].to_vec();
        let rest = std::mem::replace(&mut self.bytes, head);
        if !self.bytes.is_empty() {
            match self.numbers.below(3) {
                0 => self.anywhere(),
                1 => self.words(),
                _ => self.digits(usize::MAX),
            }
        }
        let head = std::mem::take(&mut self.bytes);
        let length = if mend { head.len() as u64 } else { length };
        self.bytes = [&length.to_le_bytes(), head.as_slice(), &rest[end..]].concat();
    }

    /// Words in quotation marks change places.
    fn words(&mut self) {
        let marks: Vec<usize> = (0..self.bytes.len()).filter(|k| self.bytes[*k] == b'"').collect();
        let words: Vec<Range<usize>> = marks.chunks_exact(2).map(|p| p[0]..p[1] + 1).collect();
        if words.len() < 2 {
            return self.digits(usize::MAX);
        }
        let (to, from) = (self.numbers.of(&words).clone(), self.numbers.of(&words).clone());
        let word = match self.numbers.below(4) {
            0 => b"\"F64\"".to_vec(),
            1 => b"\"\"".to_vec(),
            _ => self.bytes[from].to_vec(),
        };
        self.tell(format_args!("{to:?} set to {}", String::from_utf8_lossy(&word)));
        self.bytes.splice(to, word);
    }

    /// Text: lines and the numbers in them.
    fn lines(&mut self) {
        let mut lines: Vec<Vec<u8>> = self.bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let (k, other) = (self.numbers.below(lines.len()), self.numbers.below(lines.len()));
        match self.numbers.below(8) {
            0 => lines.swap(k, other),
            1 => lines.insert(other, lines[k].clone()),
            2 if lines.len() > 1 => drop(lines.remove(k)),
            3 => {
                let depth = 1 + self.numbers.below(20_000);
                let (open, word) = *self.numbers.of(&[("[", "x = "), ("{ a = ", "x = "), ("a.", ""), ("[[", "")]);
                lines.insert(k, format!("{word}{}", open.repeat(depth)).into_bytes());
                self.tell(format_args!("line {k}: {depth} times `{open}`"));
            }
            4 => {
                let at = self.numbers.below(lines[k].len());
                lines[k].truncate(at);
            }
            5 => self.tell(format_args!("nothing to line {other}")),
            _ => {
                self.digits(usize::MAX);
                return;
            }
        }
        self.tell(format_args!("lines {k} and {other} swapped, doubled, dropped, cut or joined"));
        self.bytes = lines.join(&b'\n');
    }
}

/// Messages of a GRIB2 file.
pub fn messages(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 20 <= bytes.len() {
        let length = u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap_or_default());
        let fits = &bytes[at..at + 4] == b"GRIB" && (20..=(bytes.len() - at) as u64).contains(&length);
        if !fits {
            break;
        }
        found.push(at..at + length as usize);
        at += length as usize;
    }
    found
}

/// The sections of a GRIB2 message behind section 0, without the end.
fn parts(message: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, mut out) = (16, Vec::new());
    while at + 5 <= message.len() - 4 {
        let size = u32::from_be_bytes(message[at..at + 4].try_into().unwrap_or_default()) as usize;
        let size = size.clamp(5, message.len() - 4 - at);
        out.push(message[at..at + size].to_vec());
        at += size;
    }
    out
}

/// Where HDF5 keeps things that bear their name.
fn signatures(bytes: &[u8]) -> Vec<usize> {
    let names: [&[u8; 4]; 11] = [
        b"OHDR", b"OCHK", b"TREE", b"HEAP", b"SNOD", b"FRHP", b"FHDB", b"BTHD", b"BTLF", b"GCOL", b"\x89HDF",
    ];
    bytes
        .windows(4)
        .enumerate()
        .filter(|(_, w)| names.iter().any(|n| n.as_slice() == *w))
        .map(|(k, _)| k)
        .collect()
}

/// Mends checksums of superblocks and object headers of version 2.
pub fn mend_hdf5(bytes: &mut [u8]) {
    if bytes.len() >= 48 && matches!(bytes[8], 2 | 3) {
        let sum = jenkins_lookup3(&bytes[..44]);
        bytes[44..48].copy_from_slice(&sum.to_le_bytes());
    }
    for at in signatures(bytes) {
        let Some(header) = bytes.get(at..) else { continue };
        if header.len() < 16 || &header[..5] != b"OHDR\x02" {
            continue;
        }
        let flags = header[5];
        let width = 1usize << (flags & 3);
        let first = 6 + if flags & 0x20 == 0 { 0 } else { 16 } + if flags & 0x10 == 0 { 0 } else { 4 };
        let Some(size) = header.get(first..first + width) else { continue };
        let size = size.iter().rev().fold(0u64, |n, b| (n << 8) | u64::from(*b));
        let end = size.checked_add((at + first + width) as u64).and_then(|e| usize::try_from(e).ok());
        if let Some(end) = end.filter(|e| e.saturating_add(4) <= bytes.len()) {
            let sum = jenkins_lookup3(&bytes[at..end]);
            bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

/// Mends the checksums of a PNG picture inside a file.
fn mend_png(bytes: &mut [u8]) {
    let Some(start) = bytes.windows(8).position(|w| w == b"\x89PNG\r\n\x1a\n") else {
        return;
    };
    let mut at = start + 8;
    while let Some(head) = bytes.get(at..at + 8) {
        let size = u32::from_be_bytes(head[..4].try_into().unwrap_or_default()) as usize;
        let end = at + 8 + size;
        if end + 4 > bytes.len() {
            break;
        }
        let mut sum = flate2::Crc::new();
        sum.update(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_damage_and_another_one_another() {
        let bytes: Vec<u8> = (0..400u32).map(|k| (k * 7) as u8).collect();
        let (one, same, other) = (damage(&bytes, &[], 5), damage(&bytes, &[], 5), damage(&bytes, &[], 6));
        assert_eq!((&one.bytes, &one.how), (&same.bytes, &same.how));
        assert_ne!(one.bytes, other.bytes);
    }
}
