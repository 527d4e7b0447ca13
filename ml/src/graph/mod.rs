//! The learned global model: a graph network that carries the air around the globe six hours on, from published weights.
//!
//! A checkpoint ([`Checkpoint`]) and means and deviations ([`Normalisation`]) make a [`GraphCast`], which is a
//! [`Stepper`](nowblend_field::Stepper). Grid, mesh, levels, variables, layers and how far it looks back are those of the checkpoint.
//!
//! | from files to a forecast | in |
//! | --- | --- |
//! | triangles all over the globe, who tells whom | `mesh`, `edges`, with the choice between equally near ones in `triangles`, `spatial_index`, `trigonometry` |
//! | encode, process, decode | `network` of `mlp`, on `blocks` of edges |
//! | keys and shapes | `checkpoint` in an `npz`, for a `task`, `normalisation` |
//! | sun and calendar | `forcings` |
//! | fields to fields; gradients through several steps | `graphcast`; `rollout` |

mod blocks;
mod checkpoint;
mod edges;
mod forcings;
mod graphcast;
mod in_place;
mod mesh;
mod mlp;
mod network;
mod normalisation;
mod npz;
#[cfg_attr(not(test), expect(dead_code, reason = "training comes later, on this very code"))]
mod rollout;
mod spatial_index;
mod task;
mod triangles;
mod trigonometry;

pub use checkpoint::Checkpoint;
pub use forcings::{forcing, radiation};
pub use graphcast::GraphCast;
pub use network::Graph;
pub use normalisation::{Normalisation, Statistics};
pub use task::{ModelConfig, TaskConfig};

#[cfg(test)]
mod tests;
