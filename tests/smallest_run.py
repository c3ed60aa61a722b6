"""What makes a training run as small as it can be while it is still one."""

SMALLEST = [
    "trainer.steps_per_epoch=2",
    "trainer.threads=1",
    "data.batch_patches=8",
    "data.cache_workers=1",
    "patch.frames=64",
    "model.embedding_size=8",
    "model.convolutions=[{filters:8,width:5,pool:4,padded:true}]",
    "logger=csv",
]
