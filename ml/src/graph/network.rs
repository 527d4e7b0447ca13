//! The network: what the grid tells the mesh, what the mesh makes of it, and what it tells the grid.
//!
//! Encode, process, decode. A message is what an MLP makes of an edge, its sender and its receiver; a node adds to itself what another MLP makes
//! of itself and the sum of its messages; an edge adds its message to itself. Layers share no weights.
//!
//! Shapes: G grid points, M corners of the mesh, L the latent size.
//!
//! # Source
//!
//! Lam et al. (2023), supplement 3; Battaglia, P. W. et al., 2018: Relational inductive biases, deep learning, and graph networks,
//! arXiv:1806.01261; layers and their order as in its program (`deep_typed_graph_net.py`, `typed_graph_net.py`).

use std::ops::Range;

use burn::{
    module::Module,
    tensor::{Device, IndexingUpdateOp, Tensor},
};
use nowblend_field::Globe;

use super::{
    blocks::{Block, Work, rows_of},
    edges::{Place, grid_to_mesh, mesh_places, mesh_to_grid, places, within_mesh},
    in_place::{Table, add_rows},
    mesh::hierarchy,
    mlp::Mlp,
};

/// Blocks whose messages into the mesh are held at a time.
const WAVE: usize = 64;

/// One step of passing messages.
#[derive(Module, Debug)]
pub struct Passing {
    /// Of edge, sender, receiver.
    pub message: Mlp,
    /// Of a receiver and the sum of its messages.
    pub update: Mlp,
}

/// The network.
#[derive(Module, Debug)]
pub struct Network {
    /// Of what is known of a grid point: each part of the input, then its place.
    pub embed_grid: Mlp,
    /// Of the place of a corner.
    pub embed_mesh: Mlp,
    /// Of an edge from grid to mesh.
    pub embed_in: Mlp,
    /// From grid to mesh.
    pub encode: Passing,
    /// Of a grid point, which no message reaches on the way in.
    pub update_grid: Mlp,
    /// Of an edge of the mesh.
    pub embed_within: Mlp,
    /// Within the mesh.
    pub process: Vec<Passing>,
    /// Of an edge from mesh to grid.
    pub embed_out: Mlp,
    /// From mesh to grid.
    pub decode: Passing,
    /// From a grid point to the output.
    pub speak: Mlp,
}

/// What a network is run on: nodes and edges on a device.
#[derive(Debug)]
pub struct Graph {
    /// How work is cut and shared out.
    pub work: Work,
    grid: Tensor<2>,
    mesh: Tensor<2>,
    grid_to_mesh: Vec<Block>,
    within_mesh: Vec<Block>,
    mesh_to_grid: Vec<Block>,
    rows: Vec<Range<usize>>,
    /// Numbers of grid points, corners, edges from grid to mesh, within the mesh, and from mesh to grid.
    pub size: [usize; 5],
}

/// What a graph is made of besides the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GraphConfig {
    /// Finest level of the mesh.
    pub mesh_size: usize,
    /// How far a grid point is heard, in lengths of the longest edge of the finest mesh.
    pub radius: f32,
    /// Length by which edges from mesh to grid are told; the longest of them if not given.
    pub longest_out: Option<f64>,
}

impl Graph {
    /// The graph of a grid on a device.
    pub fn new(globe: &Globe, config: &GraphConfig, device: &Device) -> Self {
        let work = Work::on(device);
        let meshes = hierarchy(config.mesh_size);
        let finest = meshes.last().expect("the icosahedron is always there");
        let features = |places: Vec<Place>| rows_of(&places.into_iter().map(Place::features).collect::<Vec<_>>(), device);
        let (points, corners) = (globe.points(), finest.corners.len());
        let into = grid_to_mesh(globe, finest, config.radius);
        let within = within_mesh(&meshes);
        let out = mesh_to_grid(globe, finest, config.longest_out);
        let size = [points, corners, into.len(), within.len(), out.len()];
        Self {
            grid: features(places(globe)),
            mesh: features(mesh_places(finest)),
            grid_to_mesh: work.by_sender(&into, points),
            within_mesh: work.by_receiver(&within, corners),
            mesh_to_grid: work.by_receiver(&out, points),
            rows: work.rows(corners),
            size,
            work,
        }
    }
}

impl Network {
    /// The output `[point, channel]` of runs of grid points, in order. `input` hands out the parts `[point, channel]` of what is known of a run of
    /// them, all but their place.
    pub fn forward(&self, graph: &Graph, input: &(dyn Fn(Range<usize>) -> Vec<Tensor<2>> + Sync)) -> Vec<Tensor<2>> {
        let (grid, mesh) = self.encode(graph, input);
        let mesh = self.process(graph, mesh);
        self.decode(graph, &grid, &mesh)
    }

    /// Latents of the runs of grid points `[run, L]` and of the mesh `[M, L]`.
    fn encode(&self, graph: &Graph, input: &(dyn Fn(Range<usize>) -> Vec<Tensor<2>> + Sync)) -> (Vec<Tensor<2>>, Tensor<2>) {
        let mesh = self.embed_mesh.forward(&[&graph.mesh]); // [M, L]
        let heard = Table::new(self.encode.message.part(2, &mesh)); // [M, L]
        let mut sums = Tensor::zeros(mesh.dims(), &mesh.device());
        let mut latents = Vec::with_capacity(graph.grid_to_mesh.len());
        // A wave at a time, so that messages of all edges are never held together.
        for wave in graph.grid_to_mesh.chunks(WAVE) {
            let told = graph.work.each(wave, |block| {
                let place = rows(&graph.grid, &block.nodes);
                let parts = input(block.nodes.clone());
                let known: Vec<&Tensor<2>> = parts.iter().chain([&place]).collect();
                let grid = self.embed_grid.forward(&known); // [run, L]
                let message = block.has_edges().then(|| {
                    let sent = Table::new(self.encode.message.part(1, &grid)); // [run, L]
                    let edges = self.embed_in.forward(&[&block.features]); // [edge, L]
                    let first = self.encode.message.part(0, &edges);
                    let first = add_rows(first, [(&sent, &block.own), (&heard, &block.other)]);
                    self.encode.message.after(first) // [edge, L]
                });
                (grid.clone() + self.update_grid.forward(&[&grid]), message)
            });
            for ((grid, message), block) in told.into_iter().zip(wave) {
                latents.push(grid);
                if let Some(message) = message {
                    sums = sums.select_assign(0, block.other.tensor(), message, IndexingUpdateOp::Add);
                }
            }
        }
        let updated = graph.work.each(&graph.rows, |run| {
            let mesh = rows(&mesh, run);
            mesh.clone() + self.encode.update.forward(&[&mesh, &rows(&sums, run)])
        });
        (latents, Tensor::cat(updated, 0))
    }

    /// Latents of the mesh `[M, L]` after all layers.
    fn process(&self, graph: &Graph, mut mesh: Tensor<2>) -> Tensor<2> {
        let mut edges = self.edges_within(graph);
        let last = self.process.len().saturating_sub(1);
        for (layer, passing) in self.process.iter().enumerate() {
            (mesh, edges) = passing.pass(graph, &mesh, edges, layer == last);
        }
        mesh
    }

    /// Latents of the edges of the mesh, block by block `[edge, L]`, before any message.
    pub fn edges_within(&self, graph: &Graph) -> Vec<Tensor<2>> {
        graph
            .work
            .each(&graph.within_mesh, |block| self.embed_within.forward(&[&block.features]))
    }

    /// The output of the runs of grid points.
    fn decode(&self, graph: &Graph, grid: &[Tensor<2>], mesh: &Tensor<2>) -> Vec<Tensor<2>> {
        let sent = Table::new(self.decode.message.part(1, mesh)); // [M, L]
        let whole = OnDemand::new(grid, &graph.grid_to_mesh);
        graph.work.each(&graph.mesh_to_grid, |block| {
            let grid = whole.rows(&block.nodes);
            let edges = self.embed_out.forward(&[&block.features]);
            let grid = self.decode.receive(block, &edges, &sent, &grid).0;
            self.speak.forward(&[&grid])
        })
    }
}

impl Passing {
    /// Mesh and edges after one step; edges are of no more use after the last one.
    pub fn pass(&self, graph: &Graph, mesh: &Tensor<2>, edges: Vec<Tensor<2>>, last: bool) -> (Tensor<2>, Vec<Tensor<2>>) {
        let sent = Table::new(self.message.part(1, mesh)); // [M, L]
        let blocks: Vec<(&Block, Tensor<2>)> = graph.within_mesh.iter().zip(edges).collect();
        let passed = graph.work.each(&blocks, |(block, edges)| {
            let (mesh, message) = self.receive(block, edges, &sent, &rows(mesh, &block.nodes));
            (mesh, (!last).then(|| edges.clone() + message))
        });
        let (mesh, edges): (Vec<_>, Vec<_>) = passed.into_iter().unzip();
        (Tensor::cat(mesh, 0), edges.into_iter().flatten().collect())
    }

    /// Receivers `[node, L]` of a block after its messages, and the messages `[edge, L]`.
    fn receive(&self, block: &Block, edges: &Tensor<2>, sent: &Table, nodes: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let heard = Table::new(self.message.part(2, nodes)); // [node, L]
        let first = add_rows(self.message.part(0, edges), [(sent, &block.other), (&heard, &block.own)]);
        let message = self.message.after(first); // [edge, L]
        let sums = block.sum(message.clone()); // [node, L]
        (nodes.clone() + self.update.forward(&[nodes, &sums]), message)
    }
}

/// Rows of a tensor.
fn rows(tensor: &Tensor<2>, run: &Range<usize>) -> Tensor<2> {
    tensor.clone().narrow(0, run.start, run.len())
}

/// Rows that lie in runs of one length and are asked for in runs of another; they are never all together.
struct OnDemand<'a> {
    runs: Vec<(Range<usize>, &'a Tensor<2>)>,
}

impl<'a> OnDemand<'a> {
    fn new(tensors: &'a [Tensor<2>], blocks: &[Block]) -> Self {
        Self {
            runs: blocks.iter().map(|block| block.nodes.clone()).zip(tensors).collect(),
        }
    }

    fn rows(&self, run: &Range<usize>) -> Tensor<2> {
        let first = self.runs.partition_point(|(held, _)| held.end <= run.start);
        let parts = self.runs[first..]
            .iter()
            .take_while(|(held, _)| held.start < run.end)
            .map(|(held, tensor)| {
                rows(
                    tensor,
                    &(run.start.max(held.start) - held.start..run.end.min(held.end) - held.start),
                )
            })
            .collect();
        Tensor::cat(parts, 0)
    }
}
