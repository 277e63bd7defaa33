/* synth_lexicon.c - what synthetic prompts talk about: sixteen domains of four topics. */
#include "synth.h"

const fr_synth_domain fr_synth_domains[FR_SYNTH_DOMAINS] = {
    {"medicine",
     "nurse|surgeon|pharmacist|general practitioner|physiotherapist|radiologist|midwife|paramedic",
     "in the outpatient clinic|on the night ward|at a rural hospital|in the emergency department|at the teaching "
     "hospital",
     "prescribed|examined|monitored|documented|reviewed|treated|ordered",
     "milligrams|millilitres of saline|doses|patient visits|bed days",
     {{"cardiology",
       "blood pressure|heart failure|atrial fibrillation|coronary artery disease|cholesterol|cardiac "
       "output|arrhythmia|heart valve disease|chest pain|stroke prevention",
       "beta blockers|stents|pacemakers|electrocardiograms|anticoagulants|echocardiograms|statins|heart valves"},
      {"infectious disease",
       "antibiotic resistance|tuberculosis|influenza transmission|sepsis|herd "
       "immunity|malaria|hepatitis|hospital-acquired infection|viral load|vaccination",
       "vaccines|antibiotics|blood cultures|swabs|antivirals|outbreaks|pathogens|antibodies"},
      {"nutrition and metabolism",
       "type 2 diabetes|insulin resistance|obesity|iron deficiency|blood sugar control|vitamin D deficiency|metabolic "
       "syndrome|thyroid function|dietary fibre|weight loss",
       "insulin pumps|glucose monitors|meal plans|supplements|food diaries|blood tests|diets|hormones"},
      {"mental health",
       "depression|generalised anxiety|insomnia|post-traumatic stress|cognitive behavioural therapy|bipolar "
       "disorder|burnout|panic attacks|attention deficit|addiction recovery",
       "antidepressants|therapy sessions|support groups|sleep diaries|relapses|screening questionnaires|coping "
       "strategies|mood charts"}}},
    {"law",
     "judge|barrister|paralegal|landlord|defendant|notary|prosecutor|compliance officer",
     "in the district court|at a small law firm|before the tribunal|at the registry office|during the hearing",
     "drafted|signed|contested|filed|reviewed|amended|terminated",
     "days of notice|pages of evidence|court hours|euros of damages|signatures",
     {{"contract law",
       "breach of contract|consideration|force majeure|implied terms|misrepresentation|liquidated damages|offer and "
       "acceptance|frustration of purpose|indemnity|good faith",
       "contracts|warranties|clauses|invoices|purchase orders|amendments|penalties|guarantees"},
      {"criminal law",
       "criminal intent|self-defence|burden of proof|reasonable doubt|plea bargaining|bail|double jeopardy|search and "
       "seizure|sentencing|accomplice liability",
       "witnesses|warrants|indictments|juries|fingerprints|confessions|charges|verdicts"},
      {"intellectual property",
       "patent infringement|fair use|trademark dilution|copyright duration|trade secrets|prior art|licensing|moral "
       "rights|design protection|open source licences",
       "patents|trademarks|royalties|licences|logos|inventions|copyrights|takedown notices"},
      {"employment and tenancy law",
       "unfair dismissal|security deposits|overtime pay|workplace discrimination|rent increases|eviction|collective "
       "bargaining|parental leave|non-compete agreements|whistleblowing",
       "leases|tenants|payslips|employment contracts|grievances|trade unions|deposits|redundancies"}}},
    {"finance",
     "auditor|fund manager|accountant|loan officer|treasurer|tax adviser|analyst|bookkeeper",
     "at a regional bank|on the trading floor|in the accounts department|at the annual meeting|at a start-up",
     "invested|audited|transferred|booked|forecast|refinanced|hedged",
     "dollars|basis points|shares|months of interest|percent of revenue",
     {{"investing",
       "portfolio diversification|compound interest|dividend yield|market volatility|index investing|risk "
       "tolerance|asset allocation|short selling|inflation|capital gains",
       "bonds|shares|index funds|options|dividends|portfolios|brokers|futures"},
      {"accounting",
       "depreciation|accrual accounting|working capital|double-entry bookkeeping|goodwill impairment|cash flow|revenue "
       "recognition|inventory valuation|retained earnings|internal controls",
       "balance sheets|ledgers|invoices|receivables|audit reports|journal entries|income statements|expenses"},
      {"personal finance",
       "household budgeting|credit scores|mortgage refinancing|retirement saving|student debt|emergency savings|income "
       "tax|debt consolidation|rent versus buying|life insurance",
       "mortgages|credit cards|savings accounts|pension plans|tax returns|loans|insurance policies|overdrafts"},
      {"central banking",
       "monetary policy|quantitative easing|exchange rates|liquidity|interest rate policy|bank runs|money "
       "supply|inflation targeting|currency pegs|capital requirements",
       "reserves|central banks|bailouts|repo agreements|deposit rates|stress tests|currencies|treasury bills"}}},
    {"software engineering",
     "backend developer|tester|product owner|site reliability engineer|data engineer|security analyst|intern|tech lead",
     "in the staging environment|on the build server|during the sprint review|in production|at the hackathon",
     "deployed|refactored|debugged|merged|profiled|reverted|documented",
     "requests per second|milliseconds|commits|gigabytes|test cases",
     {{"databases",
       "query optimisation|transaction isolation|index design|database normalisation|replication "
       "lag|sharding|deadlocks|schema migration|eventual consistency|connection pooling",
       "tables|indexes|transactions|queries|backups|replicas|foreign keys|stored procedures"},
      {"web development",
       "cross-site scripting|responsive layout|server-side rendering|caching headers|session "
       "handling|accessibility|single sign-on|lazy loading|form validation|rate limiting",
       "cookies|web pages|endpoints|stylesheets|browsers|access tokens|forms|components"},
      {"operating systems and concurrency",
       "race conditions|memory leaks|context switching|virtual memory|thread safety|garbage collection|system "
       "calls|priority inversion|file locking|cache coherence",
       "threads|mutexes|processes|pointers|semaphores|page faults|kernels|stack traces"},
      {"machine learning",
       "overfitting|gradient descent|feature selection|class imbalance|transfer learning|cross-validation|data "
       "leakage|attention mechanisms|model calibration|reinforcement learning",
       "neural networks|training sets|classifiers|embeddings|hyperparameters|decision trees|labels|loss functions"}}},
    {"cooking",
     "pastry chef|line cook|baker|food critic|caterer|home cook|sommelier|dietitian",
     "in a busy kitchen|at the farmers' market|in a small bakery|at the cooking school|at a beach restaurant",
     "seasoned|served|marinated|plated|tasted|roasted|ordered",
     "grams|cups of flour|tablespoons|minutes of simmering|portions",
     {{"baking",
       "gluten development|sourdough fermentation|tempering chocolate|proofing|caramelisation|laminated dough|egg "
       "foams|oven temperature|shortcrust pastry|leavening",
       "croissants|sourdough loaves|meringues|sponge cakes|biscuits|tarts|muffins|brioches"},
      {"meat and fish",
       "dry ageing|braising|food safety temperatures|knife skills|smoking|brining|pan searing|stock "
       "making|filleting|slow cooking",
       "steaks|mussels|ribs|salmon fillets|meatballs|sausages|roast chickens|prawns"},
      {"vegetarian cooking",
       "plant protein|umami|pickling|seasonal vegetables|spice blending|legume soaking|meat substitutes|meal "
       "planning|raw food|vegan baking",
       "lentils|chickpeas|aubergines|tofu blocks|curries|salads|mushrooms|lentil soups"},
      {"drinks",
       "coffee extraction|wine pairing|cold brewing|cocktail balance|tea oxidation|kombucha fermentation|beer "
       "brewing|water hardness|decaffeination|whisky maturation",
       "espressos|cocktails|red wines|green teas|smoothies|craft beers|coffee beans|syrups"}}},
    {"travel",
     "tour guide|backpacker|flight attendant|hotel manager|cruise captain|travel agent|interpreter|hostel owner",
     "at the airport|in the old town|on a mountain trail|at a beach resort|on the night train",
     "booked|cancelled|visited|recommended|upgraded|packed|photographed",
     "kilometres|nights|euros per person|hours of flight|suitcases",
     {{"air travel",
       "jet lag|baggage allowance|airline overbooking|frequent flyer miles|airport security|layover planning|visa "
       "requirements|flight delays|cabin pressure|passenger rights",
       "boarding passes|flights|layovers|carry-on bags|passports|airlines|refunds|terminals"},
      {"city tourism",
       "overtourism|public transport passes|museum queues|street food|sightseeing on a budget|walking tours|guidebook "
       "writing|tourist taxes|city safety|souvenir shopping",
       "museums|cathedrals|city passes|hostels|street markets|viewpoints|metro lines|guided tours"},
      {"outdoor adventure",
       "altitude sickness|trail navigation|wild camping|avalanche danger|packing light|bear safety|water "
       "purification|campfire rules|route grading|mountain weather",
       "backpacks|tents|hiking boots|trail maps|kayaks|campsites|mountain huts|summits"},
      {"hotels and hospitality",
       "room pricing|guest complaints|housekeeping standards|online reviews|early check-in|all-inclusive "
       "packages|loyalty programmes|late cancellation|breakfast service|concierge service",
       "hotel rooms|suites|bookings|breakfast buffets|key cards|guests|minibars|lobbies"}}},
    {"physics and astronomy",
     "astronomer|lab technician|physics teacher|telescope operator|particle physicist|mission controller|graduate "
     "student|optician",
     "at the observatory|in the optics lab|aboard the space station|at a particle accelerator|in the lecture hall",
     "measured|observed|calibrated|simulated|detected|launched|recorded",
     "kilometres per second|kelvin|joules|light years|newtons",
     {{"mechanics",
       "angular momentum|friction|conservation of energy|projectile motion|centripetal force|elastic collisions|simple "
       "harmonic motion|torque|terminal velocity|free fall",
       "pendulums|pulleys|inclined planes|springs|flywheels|satellites|projectiles|levers"},
      {"astronomy",
       "stellar evolution|redshift|dark matter|planetary orbits|black hole formation|cosmic microwave background|tidal "
       "locking|exoplanet transits|solar flares|galaxy rotation",
       "comets|galaxies|exoplanets|telescopes|supernovae|neutron stars|moons|asteroids"},
      {"electricity and optics",
       "electromagnetic induction|total internal reflection|electrical "
       "resistance|diffraction|polarisation|capacitance|superconductivity|refraction|interference|alternating current",
       "lenses|capacitors|lasers|magnets|prisms|transformers|circuits|mirrors"},
      {"quantum physics",
       "quantum entanglement|wave-particle duality|the uncertainty principle|superposition|quantum "
       "tunnelling|decoherence|spin|energy quantisation|the photoelectric effect|quantum measurement",
       "photons|electrons|qubits|wave functions|energy levels|detectors|fermions|double slits"}}},
    {"chemistry",
     "analytical chemist|lab assistant|process engineer|chemistry teacher|toxicologist|perfumer|safety "
     "officer|materials scientist",
     "in the fume hood|at the refinery|in the school laboratory|at a pharmaceutical plant|in the clean room",
     "titrated|distilled|diluted|synthesised|filtered|heated|weighed",
     "moles|millilitres|degrees Celsius|grams per litre|drops",
     {{"organic chemistry",
       "nucleophilic substitution|chirality|esterification|aromaticity|polymerisation|functional "
       "groups|isomerism|hydrogenation|reaction mechanisms|retrosynthesis",
       "alcohols|ketones|esters|polymers|alkenes|carboxylic acids|amines|catalysts"},
      {"acids and solutions",
       "acid-base titration|buffer capacity|solubility|molar concentration|osmotic pressure|pH "
       "measurement|precipitation|hydrolysis|electrolyte conductivity|neutralisation",
       "acids|buffers|indicators|salts|burettes|precipitates|bases|solutions"},
      {"thermochemistry and kinetics",
       "activation energy|enthalpy change|reaction rates|chemical equilibrium|catalysis|entropy|exothermic "
       "reactions|Le Chatelier's principle|heat capacity|half-life",
       "calorimeters|reactants|catalysts|explosives|fuels|combustion reactions|products|reaction vessels"},
      {"materials and metals",
       "corrosion|electroplating|alloy hardness|crystal structure|ore smelting|ceramic firing|battery "
       "chemistry|metallic bonding|semiconductors|glass making",
       "alloys|electrodes|batteries|ceramics|crystals|oxides|metal sheets|coatings"}}},
    {"biology and ecology",
     "field biologist|park ranger|geneticist|marine biologist|zookeeper|botanist|ornithologist|lab scientist",
     "in a coastal wetland|at the nature reserve|in the genetics lab|on a coral reef|in the rainforest",
     "tagged|counted|sequenced|observed|released|sampled|catalogued",
     "hectares|specimens|breeding pairs|base pairs|square kilometres",
     {{"genetics",
       "gene expression|Mendelian inheritance|mutation|gene editing|DNA replication|epigenetics|genetic drift|protein "
       "synthesis|sex-linked traits|natural selection",
       "chromosomes|alleles|genomes|fruit flies|plasmids|proteins|mutations|pedigrees"},
      {"ecosystems",
       "habitat loss|food webs|invasive species|nutrient cycling|keystone species|ecological "
       "succession|biodiversity|carrying capacity|rewilding|predator-prey dynamics",
       "wetlands|wolves|pollinators|forests|beavers|food chains|grasslands|predators"},
      {"marine biology",
       "coral bleaching|ocean acidification|whale migration|overfishing|bioluminescence|tidal zones|deep sea "
       "vents|plankton blooms|kelp forests|fish schooling",
       "corals|sea turtles|whales|plankton samples|sharks|octopuses|fish stocks|jellyfish"},
      {"plants and fungi",
       "photosynthesis|seed dispersal|mycorrhizal networks|plant hormones|pollination|transpiration|plant "
       "defence|nitrogen fixation|fungal spores|root growth",
       "orchids|ferns|seeds|mushrooms|mosses|stomata|leaves|oak trees"}}},
    {"history",
     "archivist|archaeologist|museum curator|diplomat|chronicler|historian|general|merchant",
     "in the city archives|at the excavation site|during the congress|in the royal court|at the harbour",
     "conquered|signed|excavated|documented|abolished|commissioned|negotiated",
     "soldiers|years of rule|ships|gold coins|pages of letters",
     {{"ancient history",
       "Roman engineering|Athenian democracy|the fall of Carthage|Egyptian burial rites|the Silk Road|Mesopotamian "
       "writing|Spartan education|Roman citizenship|the Bronze Age collapse|Hellenistic trade",
       "aqueducts|legions|temples|pyramids|clay tablets|amphitheatres|pharaohs|city states"},
      {"medieval history",
       "feudalism|the Black Death|the Crusades|monastic life|guild organisation|the Magna Carta|Viking "
       "expansion|castle building|the Hanseatic League|chivalry",
       "castles|knights|monasteries|manuscripts|serfs|cathedrals|guilds|pilgrimages"},
      {"the industrial age",
       "the steam revolution|child labour|urbanisation|the suffrage movement|colonial trade|railway building|the "
       "abolition of slavery|trade unionism|the French Revolution|mass emigration",
       "factories|steam engines|railways|cotton mills|strikes|colonies|canals|telegraphs"},
      {"the twentieth century",
       "the Cold War|decolonisation|the Great Depression|the space race|the Treaty of Versailles|the civil rights "
       "movement|the Marshall Plan|nuclear deterrence|the fall of the Berlin Wall|wartime rationing",
       "treaties|trenches|refugees|missiles|alliances|propaganda posters|elections|tanks"}}},
    {"sports",
     "goalkeeper|head coach|referee|sprinter|physio|club president|commentator|team captain",
     "at the national stadium|in the training camp|on the clay court|during the final|at the Olympic village",
     "scored|trained|substituted|won|analysed|missed|celebrated",
     "points|laps|goals|seconds|kilometres of training",
     {{"football",
       "the offside rule|pressing tactics|penalty shoot-outs|transfer fees|goal difference|video refereeing|set "
       "pieces|youth academies|counter-attacking|ball possession",
       "goals|corner kicks|midfielders|red cards|league tables|free kicks|defenders|transfers"},
      {"athletics and endurance",
       "marathon pacing|interval training|carbohydrate loading|sprint starts|altitude training|doping control|lactate "
       "threshold|running form|tapering|heat acclimatisation",
       "marathons|relay teams|running shoes|hurdles|personal bests|training plans|sprints|world records"},
      {"racket sports",
       "serve technique|tie-break rules|court surfaces|ranking points|topspin|doubles strategy|line calls|string "
       "tension|footwork drills|wild card entries",
       "rackets|aces|double faults|tournaments|backhands|sets|match points|shuttlecocks"},
      {"winter and water sports",
       "ski waxing|wave reading|judging criteria|wind resistance|diving decompression|ice grip|rowing cadence|slalom "
       "technique|avalanche gear|buoyancy",
       "skis|surfboards|snowboards|rowing boats|ski jumps|wetsuits|regattas|ice skates"}}},
    {"music",
     "violinist|conductor|sound engineer|songwriter|piano teacher|DJ|choir director|music critic",
     "in the recording studio|at the opera house|during the soundcheck|at a jazz club|at the conservatory",
     "composed|recorded|rehearsed|performed|mixed|transposed|sampled",
     "beats per minute|bars|decibels|tickets|takes",
     {{"music theory",
       "chord inversions|counterpoint|modal harmony|syncopation|cadences|key modulation|the circle of fifths|voice "
       "leading|time signatures|dissonance",
       "chords|scales|intervals|fugues|triads|melodies|rests|key signatures"},
      {"classical music",
       "sonata form|orchestration|Baroque ornamentation|opera staging|romanticism|chamber music|conducting "
       "technique|programme music|historical tuning|the leitmotif",
       "symphonies|concertos|string quartets|operas|overtures|orchestras|arias|scores"},
      {"popular music",
       "streaming royalties|songwriting hooks|vocal harmonies|live touring|sampling rights|genre crossover|album "
       "sequencing|chart success|fan communities|cover versions",
       "albums|setlists|choruses|guitar riffs|festivals|record labels|drum loops|music videos"},
      {"audio technology",
       "dynamic compression|room acoustics|equalisation|microphone placement|latency|analogue synthesis|mastering "
       "loudness|noise reduction|sample rates|reverb",
       "microphones|synthesisers|mixing desks|headphones|amplifiers|plug-ins|loudspeakers|audio interfaces"}}},
    {"agriculture",
     "dairy farmer|agronomist|beekeeper|vet|vineyard owner|tractor driver|farm inspector|seed merchant",
     "on a hillside farm|at the cooperative|in the greenhouse|at the cattle market|in the orchard",
     "harvested|planted|irrigated|fertilised|sold|vaccinated|inspected",
     "tonnes|hectares|litres of milk|bales|kilograms per hectare",
     {{"crops and soil",
       "crop rotation|soil erosion|drip irrigation|soil acidity|no-till farming|seed selection|fertiliser "
       "timing|drought resistance|cover cropping|yield forecasting",
       "wheat fields|tractors|fertilisers|seedlings|silos|combine harvesters|cover crops|irrigation channels"},
      {"livestock",
       "animal welfare|milk yield|foot rot|grazing rotation|artificial insemination|feed conversion|lambing|bird "
       "flu|slaughter regulations|pasture management",
       "dairy cows|sheep|hens|milking robots|calves|feed troughs|goats|pigs"},
      {"fruit and wine",
       "grape ripeness|grafting|frost protection|orchard pruning|pest monitoring|cold storage|organic "
       "certification|vine diseases|pollination by bees|harvest labour",
       "vineyards|apple trees|beehives|grapes|cider presses|cherries|pruning shears|wine barrels"},
      {"rural economy",
       "farm subsidies|land consolidation|cooperative marketing|commodity prices|food miles|farm succession|rural "
       "depopulation|crop insurance|direct selling|fair trade",
       "subsidies|farm shops|cooperatives|land leases|grain futures|market stalls|export quotas|farmhouses"}}},
    {"education",
     "primary teacher|school principal|tutor|librarian|teaching assistant|school counsellor|lecturer|exchange student",
     "in the classroom|at the parents' evening|in the school library|during the exam week|at the university",
     "graded|taught|prepared|discussed|assigned|assessed|praised",
     "pupils|lessons|credits|exam points|homework hours",
     {{"teaching methods",
       "active learning|formative assessment|spaced repetition|classroom discipline|differentiated instruction|peer "
       "feedback|project-based learning|lesson planning|scaffolding|cooperative learning",
       "worksheets|lesson plans|quizzes|seating plans|learning goals|flash cards|group projects|rubrics"},
      {"language learning",
       "second language acquisition|pronunciation drills|vocabulary retention|grammar immersion|bilingual "
       "upbringing|reading fluency|listening comprehension|false friends|spelling reform|language exchange",
       "dictionaries|dialogues|irregular verbs|textbooks|word lists|dictations|accents|idioms"},
      {"school policy",
       "class size|standardised testing|inclusive education|school funding|truancy|digital classrooms|school "
       "uniforms|mobile phone bans|curriculum reform|teacher shortages",
       "school buses|timetables|school boards|report cards|cafeterias|parents' councils|curricula|tablets"},
      {"higher education",
       "student loans|peer review|academic plagiarism|admission criteria|research ethics|thesis supervision|grade "
       "inflation|tenure|study abroad|academic writing",
       "lectures|scholarships|dissertations|seminars|degrees|research grants|campuses|reading lists"}}},
    {"construction and architecture",
     "site foreman|architect|structural engineer|electrician|plumber|surveyor|crane operator|town planner",
     "on the building site|at the planning office|on the scaffolding|in a listed building|at the concrete plant",
     "designed|installed|inspected|demolished|renovated|measured|poured",
     "square metres|bricks|cubic metres of concrete|working days|storeys",
     {{"structural engineering",
       "load-bearing capacity|shear stress|foundation settlement|earthquake resistance|concrete curing|bridge "
       "resonance|steel fatigue|wind load|thermal expansion|retaining pressure",
       "beams|foundations|bridges|columns|trusses|retaining walls|steel girders|arches"},
      {"architecture and design",
       "Gothic vaulting|natural lighting|brutalism|floor plan layout|barrier-free access|passive cooling|facade "
       "proportion|heritage protection|open-plan living|urban density",
       "facades|skylights|staircases|atriums|balconies|towers|blueprints|courtyards"},
      {"home renovation",
       "damp proofing|roof insulation|tile laying|asbestos removal|wall plastering|floor sanding|window "
       "replacement|paint preparation|soundproofing|mould prevention",
       "kitchen cabinets|roof tiles|floorboards|paint brushes|bathroom tiles|radiators|plasterboards|gutters"},
      {"building services",
       "heat pump sizing|electrical earthing|ventilation rates|water pressure|fire safety|solar orientation|drainage "
       "slope|lift maintenance|energy certificates|underfloor heating",
       "heat pumps|fuse boxes|sprinklers|water pipes|solar panels|smoke detectors|boilers|ventilation ducts"}}},
    {"transport and vehicles",
     "train driver|car mechanic|cyclist|bus dispatcher|fleet manager|ship captain|traffic planner|driving instructor",
     "at the main station|in the repair shop|on the motorway|at the container port|in the depot",
     "repaired|drove|inspected|delivered|towed|scheduled|parked",
     "kilometres|litres of fuel|containers|passengers|minutes of delay",
     {{"car repair",
       "brake wear|engine overheating|oil viscosity|wheel alignment|battery drain|clutch slipping|exhaust "
       "emissions|tyre pressure|timing belt intervals|rust protection",
       "brake pads|spark plugs|gearboxes|radiators|tyres|head gaskets|alternators|shock absorbers"},
      {"public transport",
       "timetable planning|fare evasion|bus lane priority|rail signalling|passenger flow|ticket zones|night "
       "services|platform safety|accessibility of trams|punctuality",
       "trams|tickets|bus stops|commuter trains|platforms|depots|turnstiles|timetables"},
      {"electric mobility",
       "charging speed|battery degradation|range anxiety|regenerative braking|grid load|home charging|battery "
       "recycling|vehicle subsidies|cold weather range|hydrogen drive",
       "electric cars|charging stations|e-bikes|battery packs|charging cables|scooters|fuel cells|hybrid vehicles"},
      {"freight and shipping",
       "container logistics|last-mile delivery|customs clearance|port congestion|route optimisation|freight "
       "insurance|driver shortages|cold chain|ballast water|hub-and-spoke networks",
       "containers|cargo ships|parcels|lorries|pallets|warehouses|customs forms|forklifts"}}},
};
