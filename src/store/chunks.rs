//! Compressed tiles that are written as they come, so that a forecast is never held whole.
//!
//! The NetCDF library lays out dimensions, coordinates and attributes, but would want every value of a variable at once. So
//! it writes the variables without values, tiles wait compressed in an unnamed file, and at the end they follow the library's
//! bytes, each variable with the index of its tiles.
//!
//! # Source
//!
//! The HDF Group, HDF5 File Format Specification Version 3.0: superblock version 2 (II.A), version 1 B-trees of raw data
//! chunks (III.A.1), object headers version 2 (IV.A.1.b), the data layout message version 3 (IV.A.2.i).

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use flate2::{Compression, write::ZlibEncoder};
use hdf5_core::jenkins_lookup3;
use rayon::prelude::*;

/// Side of a tile in cells: a map zooms quickly, and a time series at a point reads 256 kB a lead time.
pub(super) const TILE: usize = 256;

/// Deflate level: higher ones cost twice the time for some percent.
pub(super) const LEVEL: u8 = 3;

/// Children of a B-tree node: twice the rank of 32 that files without a word about it have.
const NODE_CHILDREN: usize = 64;

const UNDEFINED: u64 = u64::MAX;
const SUPERBLOCK_SIZE: usize = 48;

/// Where a compressed tile lies.
#[derive(Debug, Clone)]
struct Tile {
    /// First element along each dimension of its variable.
    origin: Vec<u64>,
    /// Place in the spool.
    start: u64,
    size: u32,
}

/// The tiles of one variable so far.
#[derive(Debug)]
pub(super) struct Tiled {
    name: String,
    /// Leading dimensions before `[y, x]`: 1 for `[time, y, x]`, 0 for `[y, x]`.
    leading: usize,
    element_size: usize,
    fill: Vec<u8>,
    tiles: Vec<Tile>,
}

impl Tiled {
    /// A variable `name` whose elements and fill value are as long as `fill` (little-endian).
    pub(super) fn new(name: &str, leading: usize, fill: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            leading,
            element_size: fill.len(),
            fill,
            tiles: Vec::new(),
        }
    }

    /// Shape of a tile, for the library's header.
    pub(super) fn tile_shape(leading: usize, (ny, nx): (usize, usize)) -> Vec<u64> {
        let mut shape = vec![1; leading];
        shape.extend([ny.min(TILE) as u64, nx.min(TILE) as u64]);
        shape
    }

    /// Compresses one `[y, x]` plane, little-endian bytes in `plane`, and appends its tiles to the spool.
    pub(super) fn push(&mut self, spool: &mut Spool, index: &[u64], (ny, nx): (usize, usize), plane: &[u8]) -> io::Result<()> {
        debug_assert_eq!(index.len(), self.leading);
        let size = self.element_size;
        let origins = origins((ny, nx));
        let packed: Vec<Option<Vec<u8>>> = origins
            .par_iter()
            .map(|origin| {
                let tile = cut(plane, (ny, nx), *origin, &self.fill);
                tile.map(|tile| deflate(&shuffle(&tile, size))).transpose()
            })
            .collect::<io::Result<_>>()?;
        for ((y, x), bytes) in origins.into_iter().zip(packed) {
            let Some(bytes) = bytes else { continue };
            let mut origin = index.to_vec();
            origin.extend([y as u64, x as u64]);
            let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            let start = spool.append(&bytes)?;
            self.tiles.push(Tile { origin, start, size });
        }
        Ok(())
    }
}

/// First row and column of each tile of a plane.
pub(super) fn origins((ny, nx): (usize, usize)) -> Vec<(usize, usize)> {
    let across = (0..nx).step_by(TILE);
    (0..ny).step_by(TILE).flat_map(|y| across.clone().map(move |x| (y, x))).collect()
}

/// One tile of a plane, as large as all others and filled up beyond the edge. `None` for one of nothing but missing values, which needs no
/// place: readers fill it in.
pub(super) fn cut(plane: &[u8], (ny, nx): (usize, usize), (y0, x0): (usize, usize), fill: &[u8]) -> Option<Vec<u8>> {
    let (ty, tx) = (ny.min(TILE), nx.min(TILE));
    let size = fill.len();
    let mut tile = fill.repeat(ty * tx);
    for y in y0..ny.min(y0 + ty) {
        let width = (nx - x0).min(tx) * size;
        let from = (y * nx + x0) * size;
        let to = (y - y0) * tx * size;
        tile[to..to + width].copy_from_slice(&plane[from..from + width]);
    }
    let nothing = tile.chunks_exact(size).all(|element| element == fill);
    (!nothing).then_some(tile)
}

/// Compressed tiles waiting in an unnamed file, which vanishes with the process.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    length: u64,
}

impl Spool {
    pub(super) fn new(file: File) -> Self {
        Self { file, length: 0 }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let start = self.length;
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(start)
    }
}

/// Writes the whole file: the library's bytes with the tiled variables pointed at their indices, the indices, the tiles.
pub(super) fn assemble(
    mut head: Vec<u8>,
    variables: &mut [Tiled],
    mut spool: Spool,
    shape: (usize, usize),
    out: &mut File,
) -> io::Result<()> {
    head.resize(head.len().next_multiple_of(8), 0);
    let index_size: u64 = variables.iter().map(|v| index_size(v.tiles.len(), v.leading + 2)).sum();
    let tiles_at = head.len() as u64 + index_size;
    let mut indices = Vec::with_capacity(index_size as usize);
    for variable in variables {
        variable.tiles.sort_by(|a, b| a.origin.cmp(&b.origin));
        if variable.tiles.is_empty() {
            continue;
        }
        let address = head.len() as u64 + indices.len() as u64;
        let root = write_index(&mut indices, address, variable, tiles_at, shape);
        let header = object_header(&head, &variable.name).ok_or_else(|| unexpected(&variable.name))?;
        point_layout(&mut head, header, root).ok_or_else(|| unexpected(&variable.name))?;
    }
    set_end(&mut head, tiles_at + spool.length).ok_or_else(|| unexpected("superblock"))?;
    out.write_all(&head)?;
    out.write_all(&indices)?;
    spool.file.seek(SeekFrom::Start(0))?;
    io::copy(&mut spool.file.take(spool.length), out)?;
    Ok(())
}

fn unexpected(what: &str) -> io::Error {
    io::Error::other(format!("the NetCDF library laid out `{what}` in an unexpected way"))
}

/// Bytes of equal significance together: zeros and slowly changing exponents then compress well.
fn shuffle(bytes: &[u8], size: usize) -> Vec<u8> {
    let count = bytes.len() / size;
    let mut shuffled = vec![0; bytes.len()];
    for (k, element) in bytes.chunks_exact(size).enumerate() {
        for (b, byte) in element.iter().enumerate() {
            shuffled[b * count + k] = *byte;
        }
    }
    shuffled
}

fn deflate(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(u32::from(LEVEL)));
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn node_size(rank: usize) -> u64 {
    let key = 8 + 8 * (rank as u64 + 1);
    24 + NODE_CHILDREN as u64 * 8 + (NODE_CHILDREN as u64 + 1) * key
}

fn index_size(tiles: usize, rank: usize) -> u64 {
    let mut nodes = 0;
    let mut width = tiles;
    while width > 0 {
        width = width.div_ceil(NODE_CHILDREN);
        nodes += width as u64;
        if width == 1 {
            break;
        }
    }
    nodes * node_size(rank)
}

/// Appends the B-tree of a variable's tiles, leaves first, and returns the address of its root.
fn write_index(indices: &mut Vec<u8>, address: u64, variable: &Tiled, tiles_at: u64, (ny, nx): (usize, usize)) -> u64 {
    let rank = variable.leading + 2;
    let node_size = node_size(rank);
    let key = |size: u32, origin: &[u64]| {
        let mut key = size.to_le_bytes().to_vec();
        key.extend(0u32.to_le_bytes());
        key.extend(origin.iter().chain([&0]).flat_map(|o| o.to_le_bytes()));
        key
    };
    let beyond: Vec<u64> = variable.tiles.last().map_or_else(Vec::new, |last| {
        let tile = Tiled::tile_shape(variable.leading, (ny, nx));
        last.origin.iter().zip(tile).map(|(o, t)| o + t).collect()
    });
    let end_key = key(0, &beyond);
    let mut children: Vec<(Vec<u8>, u64)> = variable
        .tiles
        .iter()
        .map(|tile| (key(tile.size, &tile.origin), tiles_at + tile.start))
        .collect();
    let mut level_at = address;
    for level in 0u8.. {
        let width = children.len().div_ceil(NODE_CHILDREN);
        let mut parents = Vec::with_capacity(width);
        for (k, group) in children.chunks(NODE_CHILDREN).enumerate() {
            let at = level_at + k as u64 * node_size;
            let left = if k == 0 { UNDEFINED } else { at - node_size };
            let right = if k + 1 == width { UNDEFINED } else { at + node_size };
            let end = children.get((k + 1) * NODE_CHILDREN).map_or(&end_key, |(key, _)| key);
            let start = indices.len();
            indices.extend(b"TREE");
            indices.extend([1, level]);
            indices.extend((group.len() as u16).to_le_bytes());
            indices.extend(left.to_le_bytes());
            indices.extend(right.to_le_bytes());
            for (key, child) in group {
                indices.extend(key);
                indices.extend(child.to_le_bytes());
            }
            indices.extend(end);
            indices.resize(start + node_size as usize, 0);
            parents.push((group[0].0.clone(), at));
        }
        level_at += width as u64 * node_size;
        children = parents;
        if width == 1 {
            break;
        }
    }
    children[0].1
}

/// One message of an object header: its type and where its content starts and ends.
struct Message {
    kind: u8,
    content: std::ops::Range<usize>,
}

/// The messages of the object header (version 2) at `address`, and where its checksum stands.
fn messages(head: &[u8], address: usize) -> Option<(Vec<Message>, usize)> {
    let header = head.get(address..)?;
    if header.get(..5)? != b"OHDR\x02" {
        return None;
    }
    let width = 1usize << (header.get(5)? & 3);
    let mut length = [0; 8];
    length[..width].copy_from_slice(header.get(6..6 + width)?);
    let first = address + 6 + width;
    let end = first.checked_add(usize::try_from(u64::from_le_bytes(length)).ok()?)?;
    let mut messages = Vec::new();
    let mut at = first;
    while at + 4 <= end {
        let size = usize::from(u16::from_le_bytes([*head.get(at + 1)?, *head.get(at + 2)?]));
        let content = at + 4..at + 4 + size;
        if content.end > end {
            return None;
        }
        at = content.end;
        messages.push(Message {
            kind: head[content.start - 4],
            content,
        });
    }
    Some((messages, end))
}

/// Address of the object header of the variable `name`: the hard link of that name in the root group.
fn object_header(head: &[u8], name: &str) -> Option<usize> {
    const LINK: u8 = 0x06;
    let root = u64::from_le_bytes(head.get(36..44)?.try_into().ok()?);
    let (messages, _) = messages(head, usize::try_from(root).ok()?)?;
    messages.iter().filter(|m| m.kind == LINK).find_map(|message| {
        let link = &head[message.content.clone()];
        // Version 1, an ASCII name of at most 255 bytes: its length, the name, the address.
        let (&[1, 0, length], rest) = link.split_first_chunk::<3>()? else {
            return None;
        };
        let (found, address) = rest.split_at_checked(usize::from(length))?;
        (found == name.as_bytes()).then_some(())?;
        usize::try_from(u64::from_le_bytes(address.try_into().ok()?)).ok()
    })
}

/// Points the data layout of an object at the root of its index.
fn point_layout(head: &mut [u8], address: usize, root: u64) -> Option<()> {
    const LAYOUT: u8 = 0x08;
    let (messages, checksum_at) = messages(head, address)?;
    let content = messages.into_iter().find(|m| m.kind == LAYOUT)?.content;
    if head.get(content.start..content.start + 2)? != [3, 2] || content.len() < 11 {
        return None;
    }
    head[content.start + 3..content.start + 11].copy_from_slice(&root.to_le_bytes());
    let checksum = jenkins_lookup3(&head[address..checksum_at]);
    head.get_mut(checksum_at..checksum_at + 4)?.copy_from_slice(&checksum.to_le_bytes());
    Some(())
}

/// Sets the end of the file in the superblock (version 2).
fn set_end(head: &mut [u8], end: u64) -> Option<()> {
    if head.len() < SUPERBLOCK_SIZE || head[..9] != *b"\x89HDF\r\n\x1a\n\x02" {
        return None;
    }
    head[28..36].copy_from_slice(&end.to_le_bytes());
    let checksum = jenkins_lookup3(&head[..44]);
    head[44..48].copy_from_slice(&checksum.to_le_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_bytes_stand_by_significance() {
        assert_eq!(shuffle(&[1, 2, 3, 4, 5, 6], 2), [1, 3, 5, 2, 4, 6]);
    }

    #[test]
    fn an_index_has_the_size_that_was_reserved() {
        // 65 tiles: two leaves and a root; 64: one leaf that is the root; none: no index.
        for (tiles, nodes) in [(65, 3), (64, 1), (1, 1), (0, 0), (64 * 64 + 1, 65 + 2 + 1)] {
            assert_eq!(index_size(tiles, 3), nodes * node_size(3), "{tiles}");
        }
    }
}
