"""Facts that do not change and nobody disputes, as tables; alternatives of an answer are separated by `/`."""

from __future__ import annotations

from typing import Final

__all__ = ["CAPITALS", "COUNTS", "ELEMENTS", "NAMES", "PLANETS", "POLYGONS"]

CAPITALS: Final = """
Afghanistan=Kabul; Albania=Tirana; Algeria=Algiers; Argentina=Buenos Aires; Armenia=Yerevan; Australia=Canberra;
Austria=Vienna/Wien; Azerbaijan=Baku; Bahrain=Manama; Bangladesh=Dhaka; Belarus=Minsk; Belgium=Brussels/Bruxelles;
Bhutan=Thimphu; Bosnia and Herzegovina=Sarajevo; Botswana=Gaborone; Brazil=Brasília; Bulgaria=Sofia;
Burkina Faso=Ouagadougou; Cambodia=Phnom Penh; Cameroon=Yaoundé; Canada=Ottawa; Chad=N'Djamena;
Chile=Santiago/Santiago de Chile; China=Beijing/Peking; Colombia=Bogotá; Costa Rica=San José; Croatia=Zagreb;
Cuba=Havana/La Habana; Cyprus=Nicosia; Czech Republic=Prague/Praha; Denmark=Copenhagen/København;
Dominican Republic=Santo Domingo; Ecuador=Quito; Egypt=Cairo; El Salvador=San Salvador; Eritrea=Asmara;
Estonia=Tallinn; Ethiopia=Addis Ababa; Fiji=Suva; Finland=Helsinki; France=Paris; Gabon=Libreville; Gambia=Banjul;
Georgia=Tbilisi; Germany=Berlin; Ghana=Accra; Greece=Athens; Guatemala=Guatemala City; Guinea=Conakry;
Haiti=Port-au-Prince; Honduras=Tegucigalpa; Hungary=Budapest; Iceland=Reykjavík; India=New Delhi; Iran=Tehran/Teheran;
Iraq=Baghdad; Ireland=Dublin; Italy=Rome/Roma; Jamaica=Kingston; Japan=Tokyo; Jordan=Amman; Kenya=Nairobi;
Kuwait=Kuwait City; Kyrgyzstan=Bishkek; Laos=Vientiane; Latvia=Riga; Lebanon=Beirut; Liberia=Monrovia; Libya=Tripoli;
Lithuania=Vilnius; Luxembourg=Luxembourg/Luxembourg City; Madagascar=Antananarivo; Malawi=Lilongwe; Mali=Bamako;
Malta=Valletta; Mauritania=Nouakchott; Mexico=Mexico City/Ciudad de México; Moldova=Chișinău;
Mongolia=Ulaanbaatar/Ulan Bator; Montenegro=Podgorica; Morocco=Rabat; Mozambique=Maputo; Namibia=Windhoek;
Nepal=Kathmandu; New Zealand=Wellington; Nicaragua=Managua; Niger=Niamey; Nigeria=Abuja; North Korea=Pyongyang;
North Macedonia=Skopje; Norway=Oslo; Oman=Muscat; Pakistan=Islamabad; Panama=Panama City; Paraguay=Asunción;
Peru=Lima; Philippines=Manila; Poland=Warsaw/Warszawa; Portugal=Lisbon/Lisboa; Qatar=Doha; Romania=Bucharest;
Russia=Moscow; Rwanda=Kigali; Saudi Arabia=Riyadh; Senegal=Dakar; Serbia=Belgrade; Sierra Leone=Freetown;
Slovakia=Bratislava; Slovenia=Ljubljana; Somalia=Mogadishu; South Korea=Seoul; Spain=Madrid; Sudan=Khartoum;
Suriname=Paramaribo; Sweden=Stockholm; Syria=Damascus; Tajikistan=Dushanbe; Thailand=Bangkok; Togo=Lomé;
Tunisia=Tunis; Turkey=Ankara; Turkmenistan=Ashgabat; Uganda=Kampala; Ukraine=Kyiv/Kiev; United Kingdom=London;
Uruguay=Montevideo; Uzbekistan=Tashkent; Venezuela=Caracas; Vietnam=Hanoi; Zambia=Lusaka; Zimbabwe=Harare
"""
"""Country=capital. Countries with several capitals, or one that moved lately or is disputed, are left out."""

ELEMENTS: Final = """
H=hydrogen; He=helium; Li=lithium; Be=beryllium; B=boron; C=carbon; N=nitrogen; O=oxygen; F=fluorine; Ne=neon;
Na=sodium; Mg=magnesium; Al=aluminium/aluminum; Si=silicon; P=phosphorus; S=sulfur/sulphur; Cl=chlorine; Ar=argon;
K=potassium; Ca=calcium; Sc=scandium; Ti=titanium; V=vanadium; Cr=chromium; Mn=manganese; Fe=iron; Co=cobalt;
Ni=nickel; Cu=copper; Zn=zinc; Ga=gallium; Ge=germanium; As=arsenic; Se=selenium; Br=bromine; Kr=krypton; Rb=rubidium;
Sr=strontium; Y=yttrium; Zr=zirconium; Nb=niobium; Mo=molybdenum; Tc=technetium; Ru=ruthenium; Rh=rhodium;
Pd=palladium; Ag=silver; Cd=cadmium; In=indium; Sn=tin; Sb=antimony; Te=tellurium; I=iodine; Xe=xenon;
Cs=caesium/cesium; Ba=barium; La=lanthanum; Ce=cerium; Pr=praseodymium; Nd=neodymium; Pm=promethium; Sm=samarium;
Eu=europium; Gd=gadolinium; Tb=terbium; Dy=dysprosium; Ho=holmium; Er=erbium; Tm=thulium; Yb=ytterbium; Lu=lutetium;
Hf=hafnium; Ta=tantalum; W=tungsten/wolfram; Re=rhenium; Os=osmium; Ir=iridium; Pt=platinum; Au=gold; Hg=mercury;
Tl=thallium; Pb=lead; Bi=bismuth; Po=polonium; At=astatine; Rn=radon; Fr=francium; Ra=radium; Ac=actinium; Th=thorium;
Pa=protactinium; U=uranium
"""
"""Symbol=name, in the order of the atomic number from 1 to 92."""

PLANETS: Final = "Mercury; Venus; Earth/the Earth; Mars; Jupiter; Saturn; Uranus; Neptune"
"""From the Sun outwards."""

POLYGONS: Final = (
    "triangle=3; quadrilateral=4; pentagon=5; hexagon=6; heptagon=7; octagon=8; nonagon=9; decagon=10; dodecagon=12"
)
"""Polygon=number of sides."""

COUNTS: Final = """
seconds are in a minute=60; minutes are in an hour=60; hours are in a day=24; days are in a week=7;
months are in a year=12; years are in a decade=10; years are in a century=100; years are in a millennium=1000;
days are in a leap year=366; days are in January=31; days are in April=30; days are in November=30;
letters are in the English alphabet=26; players play a game of chess=2; squares are on a chessboard=64;
strings are on a standard violin=4; metres are in a kilometre=1000; grams are in a kilogram=1000;
centimetres are in a metre=100; items are in a dozen=12; degrees are in a right angle=90;
degrees are in a full circle=360; sides does a cube have=6; edges does a cube have=12; corners does a cube have=8;
legs does a spider have=8; legs does an insect have=6; bits are in a byte=8;
zeros are in one million written in figures=6; kings are on the board at the start of a chess game=2
"""
"""How many …? =number."""

NAMES: Final = """
Who wrote the play Hamlet?=William Shakespeare/Shakespeare;
Who wrote the novel Don Quixote?=Miguel de Cervantes/Cervantes;
Who wrote the novel War and Peace?=Leo Tolstoy/Tolstoy/Lev Tolstoy;
Who wrote the novel Pride and Prejudice?=Jane Austen/Austen;
Who wrote the novel 1984?=George Orwell/Orwell/Eric Arthur Blair;
Who painted the Mona Lisa?=Leonardo da Vinci/Leonardo/da Vinci;
Who painted The Starry Night?=Vincent van Gogh/van Gogh;
Who painted the ceiling of the Sistine Chapel?=Michelangelo/Michelangelo Buonarroti;
Who was the first person to walk on the Moon?=Neil Armstrong/Armstrong;
Who was the first human in space?=Yuri Gagarin/Gagarin;
Who was the first president of the United States?=George Washington/Washington;
Who published the theory of general relativity?=Albert Einstein/Einstein;
Which is the largest ocean on Earth?=Pacific Ocean/Pacific; Which is the largest planet of the solar system?=Jupiter;
Which gas do plants take in for photosynthesis?=carbon dioxide/CO2; What is the chemical formula of water?=H2O;
Which is the highest mountain on Earth above sea level?=Mount Everest/Everest/Mt. Everest;
Which language has the most native speakers in Brazil?=Portuguese; On which continent is Kenya?=Africa;
On which continent is Peru?=South America; Which organ pumps blood through the human body?=heart;
Which month comes after February?=March; Which day comes after Monday?=Tuesday;
Which colour results from mixing blue and yellow paint?=green; In which year did the Second World War end?=1945;
In which year did the First World War begin?=1914; In which year did the Berlin Wall fall?=1989;
When did Apollo 11 land on the Moon?=20 July 1969/July 1969; Which city hosted the Summer Olympics of 2012?=London;
Which is the smallest prime number?=2
"""
"""Question=answer."""
