"""What is known of English words beforehand: how common they are, and which of them speak of the same thing.

Twenty passages are too few to learn from them that "first" says less than "dithyramb", or that a "movie" is a "film".
Hand-written, for questions in everyday words; other languages are none the worse for it.
"""

from __future__ import annotations

from functools import cache

from penstock.relevance.words import stem

__all__ = ["FAMILIAR", "LIGHT", "commonness", "kin"]

LIGHT, FAMILIAR = 0.4, 0.6
"""What a word counts that nearly every page has, and one that many have, beside 1.0."""

_LIGHT = """
after also any around back become before being best between both call came can come day did different does during
each end even every few find first five follow form found four get give go good great had happen help here however
include into keep kind know known large last later least left less like list long made main make many may more most
much must name need never new next now number off often old only open order other over own part people place put
same second see seven several show since six small some start still such take than then thing three through time
together told took two type under until up upon used using want way well went when while who will within without
word work world would year
"""
_FAMILIAR = """
according act age ago air along another appear area ask bad base become begin big body bring build case cause center
central century change city close common company complete consider consist contain continue control cost country
create current death decide define describe develop difference difficult direct down early east eight event exact
example fact famous far feature final full general group half hand head hear high hold home house idea important
international join just land late law lead learn leave letter level life line live locate location look lose lot low
major man mark matter mean member men middle million modern month move nation national near nine north occur
official once original party pass past pay period person plan play point popular position possible power present
problem process produce program provide public question quite reach real really reason receive region release remain
report require result return right role rule run say sell send serve set share short side similar single sit size
something south special stand star state stay stop story support system take talk team tell term third those today
top total town turn united use usual various version very view week west whole win woman women won write young
"""
_KIN = """
begin start | break broke broken | bring brought | build construct | buy bought purchase | catch caught
choose chose chosen choice elect select | come came | die death dead | draw drew drawn | drive drove driven
drink drank drunk | eat ate eaten | fall fell fallen | fight fought battle | find found discover
fly flew flown flight | give gave given | grow grew grown growth | hold held | keep kept | know knew known
lead led leader | leave left | lose lost loss defeat | make made produce | mean meant meaning | meet met meeting
pay paid payment | rise rose risen | run ran | say said | see saw seen | sell sold sale | send sent | shoot shot
sing sang sung singer song vocal | sink sank sunk | speak spoke spoken speech | spend spent
steal stole stolen theft | swim swam swum | swear sworn | take took taken | teach taught teacher | tell told
think thought | throw threw thrown | wear wore worn | win won winner victory champion
write wrote written writer author | become became | begin began begun | build built | movie film | tv television
mom mother mum | dad father | kid child children | wife husband spouse marry married marriage | guy man person
men man | women woman female | people person population | play played role cast star portray | foot feet
soccer football | big large | biggest largest | tallest highest | tall high height | rich wealthy
richest wealthiest | old age | oldest earliest | last final latest recent | end finish conclude final
car automobile vehicle | money currency dollar fund | kill murder assassinate | invent invention
perform sing record | live reside resident | locate situate | location site | release premiere publish
law act legislation statute | job occupation profession | doctor physician | plane aircraft airplane
boat ship vessel | city town | street road | train rail railway railroad | king queen monarch | president presidency
war battle conflict | illness disease sickness | average mean | buy acquire | colour color | cost price
begin founded established | founded established | difference differ distinguish | length long | width wide
depth deep | weight weigh heavy | speed fast quick | hot temperature | cold temperature | hurt injure injury
job work employ | fix repair | bug defect error fault | error failure fail | delete remove | allow permit
ban forbid | need require | get obtain receive | show display | help support assist | change modify
increase rise grow | decrease fall decline reduce | cheap inexpensive | costly expensive | holiday vacation
salary wage | agree accept approve | succeed success | believe belief | prove proof | advise advice | vote elect
birth born bear | analyze analysis | describe description | decide decision | receive reception
product production produce | pronounce pronunciation | destroy destruction | invade invasion | expand expansion
explain explanation | explore exploration | appear appearance | maintain maintenance | space spatial | poor poverty
hero heroic | emperor empire imperial | pope papal papacy | royal king queen | sea marine maritime ocean
moon lunar | sun solar | tooth teeth dental | heart cardiac | urban city | lung pulmonary | kidney renal
liver hepatic | brain cerebral | father paternal | mother maternal | legal law | annual yearly | strong strength
young youth | nickname known called | founder founded | owner own owned | novel book | singer vocalist band
composer composed music | director directed | actor actress | adapt adaptation | nation country
church religion religious | soldier army troops military | pupil student school | teacher professor | crime criminal
jail prison | police policeman | phone telephone | cell cellular | photo photograph picture | letter alphabet
game match | trophy cup | goal score scored | coach manager | rule govern reign ruler | tax taxation | bank banking
trade commerce | factory plant | crop farm agriculture | capital city | border boundary | mountain mount peak
hurricane storm | rain rainfall precipitation | america american usa | states usa | france french | spain spanish
germany german | china chinese | japan japanese | italy italian | greece greek | england english britain british uk
britain british uk england | uk britain british | ireland irish | scotland scottish scots | wales welsh
netherlands dutch | denmark danish | sweden swedish | norway norwegian | switzerland swiss | poland polish
turkey turkish | portugal portuguese | canada canadian | mexico mexican | argentina argentine | peru peruvian
belgium belgian | finland finnish | ukraine ukrainian
"""


@cache
def _commonness() -> dict[str, float]:
    found = {stem(word): FAMILIAR for word in _FAMILIAR.split()}
    return found | {stem(word): LIGHT for word in _LIGHT.split()}


@cache
def _kin() -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for group in _KIN.replace("\n", "|").split("|"):
        words = group.split()
        for word in words:
            found.setdefault(stem(word), {}).update(dict.fromkeys(words))
    return {root: tuple(word for word in words if stem(word) != root) for root, words in found.items()}


def commonness(root: str) -> float:
    """What a word, given by its stem, counts beside a rare one (1.0) whatever the texts at hand say.

    >>> commonness("first"), commonness("countri"), commonness("dithyramb")
    (0.4, 0.6, 1.0)
    """
    return _commonness().get(root, 1.0)


def kin(root: str) -> tuple[str, ...]:
    """The words that speak of the same thing as the one with this stem, other than its own regular forms.

    >>> kin("movi"), kin("wrot")
    (('film',), ('write', 'written', 'writer', 'author'))
    """
    return _kin().get(root, ())
