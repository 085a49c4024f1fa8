"""CIFAR-100 with its fine labels, from its own host or from a folder; the pixels are the same."""

from atop.data import _cifar
from atop.data.source import Source

_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch
crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo
keyboard lamp lawn_mower leopard lion lizard lobster man maple motorcycle mountain mouse
mushroom oak orange orchid otter palm pear pickup_truck pine plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
train trout tulip turtle wardrobe whale willow wolf woman worm
"""
CLASSES = _NAMES.split()

SOURCE = Source(
    title="CIFAR-100",
    page=_cifar.PAGE,
    layouts=_cifar.layouts(
        "cifar100",
        kind="CIFAR100",
        pickles="cifar-100-python",
        marker="train",
        classes=CLASSES,
    ),
    hosts={"official host": _cifar.official("CIFAR100")},
)
