//! Which triangles lie near a point, in the order in which the published graphs were told of them.
//!
//! Boxes around the triangles are packed by sort-tile-recursive: sorted along x and cut, the slices sorted along y and cut, those sorted along z
//! and packed in nodes of 70, level by level. Where two triangles are equally near, the one that is told of first feeds a grid point, and
//! published weights expect that one; so the packing, the sort and the walk are those of the library that the published program asks.
//!
//! # Source
//!
//! Leutenegger, S. T., M. A. Lopez and J. Edgington, 1997: STR: a simple and efficient algorithm for R-tree packing. ICDE, 497-506,
//! doi:10.1109/ICDE.1997.582015; constants and order as in libspatialindex (`BulkLoader.cc`, `RTree.cc`) and the sort of libstdc++ (`stl_algo.h`).

use std::ops::Range;

/// Entries of a node: 100, filled to 70 %.
const NODE: usize = 70;
/// Ranges up to this are left to the final insertion.
const SMALL: usize = 16;

/// A box with edges along x, y and z.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub low: [f64; 3],
    pub high: [f64; 3],
}

/// Boxes in a tree.
#[derive(Debug)]
pub struct SpatialIndex {
    nodes: Vec<Vec<Entry>>,
    root: usize,
}

/// A box, and what it is around: a triangle in a leaf, a node above.
#[derive(Debug, Clone, Copy)]
struct Entry {
    bounds: Bounds,
    inside: Inside,
}

#[derive(Debug, Clone, Copy)]
enum Inside {
    Triangle(u32),
    Node(usize),
}

impl Bounds {
    /// The box around points.
    pub fn around(points: &[[f64; 3]]) -> Self {
        let fold = |start: f64, f: fn(f64, f64) -> f64| std::array::from_fn(|k| points.iter().fold(start, |b, p| f(b, p[k])));
        Self {
            low: fold(f64::INFINITY, f64::min),
            high: fold(f64::NEG_INFINITY, f64::max),
        }
    }

    fn meets(&self, other: &Self) -> bool {
        (0..3).all(|k| self.low[k] <= other.high[k] && self.high[k] >= other.low[k])
    }
}

impl SpatialIndex {
    /// Packs boxes; each is known by its place in the list.
    pub fn new(boxes: &[Bounds]) -> Self {
        let mut nodes = Vec::new();
        let mut level: Vec<Entry> = (0u32..)
            .zip(boxes)
            .map(|(triangle, bounds)| Entry {
                bounds: *bounds,
                inside: Inside::Triangle(triangle),
            })
            .collect();
        loop {
            let mut above = Vec::new();
            sort(&mut level, 0);
            pack(&mut level, 0, &mut nodes, &mut above);
            if above.len() <= 1 {
                return Self {
                    root: nodes.len().saturating_sub(1),
                    nodes,
                };
            }
            level = above;
        }
    }

    /// Triangles whose boxes meet `bounds`.
    pub fn near(&self, bounds: &Bounds, found: &mut Vec<u32>) {
        found.clear();
        let mut open = vec![self.root];
        while let Some(node) = open.pop() {
            for entry in self.nodes.get(node).into_iter().flatten().filter(|e| e.bounds.meets(bounds)) {
                match entry.inside {
                    Inside::Triangle(triangle) => found.push(triangle),
                    Inside::Node(node) => open.push(node),
                }
            }
        }
    }
}

/// Packs sorted entries into nodes, which become entries of the level above.
fn pack(entries: &mut [Entry], axis: usize, nodes: &mut Vec<Vec<Entry>>, above: &mut Vec<Entry>) {
    let slices = (entries.len().div_ceil(NODE) as f64).sqrt().ceil() as usize;
    if slices <= 1 || axis == 2 || slices * NODE == entries.len() {
        for members in entries.chunks(NODE) {
            let corners: Vec<[f64; 3]> = members.iter().flat_map(|e| [e.bounds.low, e.bounds.high]).collect();
            above.push(Entry {
                bounds: Bounds::around(&corners),
                inside: Inside::Node(nodes.len()),
            });
            nodes.push(members.to_vec());
        }
        return;
    }
    for slice in entries.chunks_mut(slices * NODE) {
        sort(slice, axis + 1);
        pack(slice, axis + 1, nodes, above);
    }
}

/// Sorts by the middle of the boxes along an axis; equal ones end in the order in which libstdc++ leaves them.
fn sort(entries: &mut [Entry], axis: usize) {
    let all = 0..entries.len();
    quicksort(entries, all, axis);
    for k in 1..entries.len() {
        // The first of all stops the insertion; beyond the first few no smaller one comes.
        let place = (0..k)
            .rev()
            .take_while(|j| less(&entries[k], &entries[*j], axis))
            .last()
            .unwrap_or(k);
        entries[place..=k].rotate_right(1);
    }
}

fn less(a: &Entry, b: &Entry, axis: usize) -> bool {
    a.bounds.high[axis] + a.bounds.low[axis] < b.bounds.high[axis] + b.bounds.low[axis]
}

/// Parts around the median of three until the parts are small.
fn quicksort(entries: &mut [Entry], mut range: Range<usize>, axis: usize) {
    while range.len() > SMALL {
        let (first, middle, last) = (range.start + 1, range.start + range.len() / 2, range.end - 1);
        let less_at = |a: usize, b: usize| less(&entries[a], &entries[b], axis);
        let median = match (less_at(first, middle), less_at(middle, last), less_at(first, last)) {
            (true, true, _) | (false, false, false) => middle,
            (true, false, true) | (false, true, false) => last,
            (true, false, false) | (false, _, true) => first,
        };
        entries.swap(range.start, median);
        let pivot = entries[range.start];
        let (mut low, mut high) = (range.start + 1, range.end);
        loop {
            while less(&entries[low], &pivot, axis) {
                low += 1;
            }
            high -= 1;
            while less(&pivot, &entries[high], axis) {
                high -= 1;
            }
            if low >= high {
                break;
            }
            entries.swap(low, high);
            low += 1;
        }
        quicksort(entries, low..range.end, axis);
        range.end = low;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64, z: f64) -> Bounds {
        Bounds {
            low: [x, y, z],
            high: [x, y, z],
        }
    }

    #[test]
    fn all_boxes_that_meet_are_found_and_no_other() {
        let boxes: Vec<Bounds> = (0..1000)
            .map(|k| point(f64::from(k % 10), f64::from(k / 10 % 10), f64::from(k / 100)))
            .collect();
        let index = SpatialIndex::new(&boxes);
        let mut found = Vec::new();
        let corner = Bounds {
            low: [8.5, -1.0, 2.0],
            high: [20.0, 1.0, 3.0],
        };
        index.near(&corner, &mut found);
        found.sort_unstable();
        // x = 9, y = 0 or 1, z = 2 or 3.
        assert_eq!(found, [209, 219, 309, 319]);
    }

    #[test]
    fn sorting_leaves_the_middles_in_order() {
        let mut entries: Vec<Entry> = (0..500u32)
            .map(|k| Entry {
                bounds: point(f64::from(k * 7919 % 83), 0.0, 0.0),
                inside: Inside::Triangle(k),
            })
            .collect();
        sort(&mut entries, 0);
        assert!(entries.windows(2).all(|pair| !less(&pair[1], &pair[0], 0)));
    }

    #[test]
    fn no_boxes_are_no_trouble() {
        let mut found = vec![1];
        SpatialIndex::new(&[]).near(&point(0.0, 0.0, 0.0), &mut found);
        assert!(found.is_empty());
    }
}
