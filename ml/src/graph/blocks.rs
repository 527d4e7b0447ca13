//! Edges on a device, in blocks small enough to stay near the processor.
//!
//! A block holds whole nodes: all edges of a run of receivers (or, on the way into the mesh, of senders). Blocks are worked on side by side, and
//! what lives only on edges never exists for all of them at once. How blocks are cut depends on the graph alone, so that no result depends on
//! the number of threads. A device that is no CPU gets everything in one block, and training goes through them one by one.

use std::ops::Range;

use burn::tensor::{Device, IndexingUpdateOp, Tensor, TensorData};
use rayon::prelude::*;

use super::{
    edges::{Edges, OF_EDGE},
    in_place::Rows,
};

/// Edges, or rows of nodes, of a block on a CPU.
const BLOCK: usize = 1024;

/// Edges of a run of nodes.
#[derive(Debug)]
pub struct Block {
    /// The nodes whose edges these are.
    pub nodes: Range<usize>,
    /// For each edge, its node, counted from the first of the block.
    pub own: Rows,
    /// For each edge, the node at its other end.
    pub other: Rows,
    /// What the network knows of each edge `[edge, 4]`.
    pub features: Tensor<2>,
}

/// How work is cut and shared out on a device.
#[derive(Debug, Clone)]
pub struct Work {
    pub device: Device,
    block: usize,
}

impl Work {
    /// Cut for a device.
    pub fn on(device: &Device) -> Self {
        let block = if is_cpu(device) { BLOCK } else { usize::MAX };
        Self {
            device: device.clone(),
            block,
        }
    }

    /// Does `work` for each item, side by side where nothing is learned; results in the order of the items.
    pub fn each<I: Sync, T: Send>(&self, items: &[I], work: impl Fn(&I) -> T + Sync + Send) -> Vec<T> {
        if is_cpu(&self.device) && !self.device.is_autodiff() {
            items.par_iter().map(work).collect()
        } else {
            items.iter().map(work).collect()
        }
    }

    /// Runs of rows.
    pub fn rows(&self, count: usize) -> Vec<Range<usize>> {
        (0..count)
            .step_by(self.block.min(count.max(1)))
            .map(|start| start..count.min(start.saturating_add(self.block)))
            .collect()
    }

    /// Blocks of edges that are ordered by receiver.
    pub fn by_receiver(&self, edges: &Edges, receivers: usize) -> Vec<Block> {
        self.blocks(&edges.receivers, &edges.senders, &edges.features, receivers)
    }

    /// Blocks of edges that are ordered by sender.
    pub fn by_sender(&self, edges: &Edges, senders: usize) -> Vec<Block> {
        self.blocks(&edges.senders, &edges.receivers, &edges.features, senders)
    }

    fn blocks(&self, own: &[u32], other: &[u32], features: &[[f32; OF_EDGE]], nodes: usize) -> Vec<Block> {
        let mut blocks = Vec::new();
        let (mut first, mut edge) = (0, 0);
        while first < nodes {
            // As many whole nodes as fit, and at least one.
            let mut end = first;
            let mut last = edge;
            while end < nodes && end - first < self.block {
                let next = last + own[last..].iter().take_while(|o| **o as usize == end).count();
                if end > first && next - edge > self.block {
                    break;
                }
                (end, last) = (end + 1, next);
            }
            let range = edge..last;
            blocks.push(Block {
                nodes: first..end,
                own: Rows::new(own[range.clone()].iter().map(|o| *o - first as u32).collect(), &self.device),
                other: Rows::new(other[range.clone()].to_vec(), &self.device),
                features: rows_of(&features[range], &self.device),
            });
            (first, edge) = (end, last);
        }
        blocks
    }
}

impl Block {
    /// Whether any node of the block has an edge.
    pub fn has_edges(&self) -> bool {
        self.own.len() > 0
    }

    /// Sums the rows of each node's own edges: `[edge, channel]` to `[node, channel]`.
    pub fn sum(&self, messages: Tensor<2>) -> Tensor<2> {
        let [_, channels] = messages.dims();
        let none = Tensor::zeros([self.nodes.len(), channels], &messages.device());
        none.select_assign(0, self.own.tensor(), messages, IndexingUpdateOp::Add)
    }
}

/// Whether a device computes in the memory of this process.
pub fn is_cpu(device: &Device) -> bool {
    device.clone().without_autodiff() == Device::flex()
}

/// A tensor `[row, column]`.
pub fn rows_of<const N: usize>(rows: &[[f32; N]], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(rows.as_flattened().to_vec(), [rows.len(), N]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_whole_nodes_and_all_of_them() {
        // Nodes with 0, 3, 0, 2 and 1 edges in blocks of at most three.
        let edges = Edges {
            senders: vec![7, 8, 9, 7, 8, 9],
            receivers: vec![1, 1, 1, 3, 3, 4],
            features: vec![[1.0; 4]; 6],
        };
        let work = Work {
            device: Device::flex(),
            block: 3,
        };
        let blocks = work.by_receiver(&edges, 6);
        let nodes: Vec<Range<usize>> = blocks.iter().map(|b| b.nodes.clone()).collect();
        assert_eq!(nodes, [0..3, 3..6]);
        let sums = blocks[1].sum(Tensor::from_data([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]], &Device::flex()));
        sums.into_data()
            .assert_eq(&TensorData::from([[3.0f32, 30.0], [4.0, 40.0], [0.0, 0.0]]), true);
    }

    #[test]
    fn a_node_with_more_edges_than_a_block_has_one_of_its_own() {
        let edges = Edges {
            senders: vec![0; 5],
            receivers: vec![0, 1, 1, 1, 1],
            features: vec![[0.0; 4]; 5],
        };
        let work = Work {
            device: Device::flex(),
            block: 2,
        };
        let nodes: Vec<Range<usize>> = work.by_receiver(&edges, 2).into_iter().map(|b| b.nodes).collect();
        assert_eq!(nodes, [0..1, 1..2]);
    }
}
