//! All numbers of a network in a row: to average two, and to carry one from a graphics card to the processor.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};

use crate::{head, learner::Learner};

/// The same network where forecasts are made.
pub(crate) fn on_processor<L: Learner>(net: &L) -> L {
    let processor = Device::flex();
    replaced(L::untrained(&processor), numbers(net), &processor)
}

/// `memory` of one network's numbers and the rest of another's, where they are.
pub(crate) fn mixed<M: Module>(of: M, new: &M, memory: f32) -> M {
    let both = tensors(&of).into_iter().zip(tensors(new));
    let numbers = both.map(|(old, new)| old * memory + new * (1.0 - memory)).collect();
    with_tensors(of, numbers)
}

/// All numbers of the network, parameter by parameter.
pub(crate) fn numbers<M: Module>(net: &M) -> Vec<Vec<f32>> {
    tensors(net).into_iter().map(head::numbers).collect()
}

/// The network with other numbers, in the order of [`numbers`], on its device.
pub(crate) fn replaced<M: Module>(net: M, numbers: Vec<Vec<f32>>, device: &Device) -> M {
    let tensor = |values: Vec<f32>| {
        let count = values.len();
        Tensor::from_data(burn::tensor::TensorData::new(values, [count]), device)
    };
    with_tensors(net, numbers.into_iter().map(tensor).collect())
}

/// All parameters of the network, each in one line and without its history.
fn tensors<M: Module>(net: &M) -> Vec<Tensor<1>> {
    struct Collect(Vec<Tensor<1>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().detach().flatten(0, -1));
        }
    }
    let mut collect = Collect(Vec::new());
    net.visit(&mut collect);
    collect.0
}

/// The network with other parameters, in the order of [`tensors`].
fn with_tensors<M: Module>(net: M, tensors: Vec<Tensor<1>>) -> M {
    struct Replace(std::vec::IntoIter<Tensor<1>>);
    impl ModuleMapper for Replace {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let new = self.0.next().expect("both networks have the same parameters");
            param.map(|old| new.reshape(old.dims()).detach().set_require_grad(old.is_require_grad()))
        }
    }
    net.map(&mut Replace(tensors.into_iter()))
}
