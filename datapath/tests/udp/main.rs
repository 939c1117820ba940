//! Batched sockets, from outside.

mod trains_cross_the_kernel;
mod trains_keep_the_order_of_a_flow;
