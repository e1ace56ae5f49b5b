"""Make the table of currencies and fill it.

Deploy step: before the first start. Locks nothing that exists; takes milliseconds.
"""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "20261122_1020"
down_revision = "20261122_1010"
branch_labels = None
depends_on = None
phase = "expand"

# Code, digits after the point, name: ISO 4217, list one of 2026-01-01.
ACTIVE = """
AED 2 UAE Dirham
AFN 2 Afghani
ALL 2 Lek
AMD 2 Armenian Dram
AOA 2 Kwanza
ARS 2 Argentine Peso
AUD 2 Australian Dollar
AWG 2 Aruban Florin
AZN 2 Azerbaijan Manat
BAM 2 Convertible Mark
BBD 2 Barbados Dollar
BDT 2 Taka
BHD 3 Bahraini Dinar
BIF 0 Burundi Franc
BMD 2 Bermudian Dollar
BND 2 Brunei Dollar
BOB 2 Boliviano
BOV 2 Mvdol
BRL 2 Brazilian Real
BSD 2 Bahamian Dollar
BTN 2 Ngultrum
BWP 2 Pula
BYN 2 Belarusian Ruble
BZD 2 Belize Dollar
CAD 2 Canadian Dollar
CDF 2 Congolese Franc
CHE 2 WIR Euro
CHF 2 Swiss Franc
CHW 2 WIR Franc
CLF 4 Unidad de Fomento
CLP 0 Chilean Peso
CNY 2 Yuan Renminbi
COP 2 Colombian Peso
COU 2 Unidad de Valor Real
CRC 2 Costa Rican Colon
CUP 2 Cuban Peso
CVE 2 Cabo Verde Escudo
CZK 2 Czech Koruna
DJF 0 Djibouti Franc
DKK 2 Danish Krone
DOP 2 Dominican Peso
DZD 2 Algerian Dinar
EGP 2 Egyptian Pound
ERN 2 Nakfa
ETB 2 Ethiopian Birr
EUR 2 Euro
FJD 2 Fiji Dollar
FKP 2 Falkland Islands Pound
GBP 2 Pound Sterling
GEL 2 Lari
GHS 2 Ghana Cedi
GIP 2 Gibraltar Pound
GMD 2 Dalasi
GNF 0 Guinean Franc
GTQ 2 Quetzal
GYD 2 Guyana Dollar
HKD 2 Hong Kong Dollar
HNL 2 Lempira
HTG 2 Gourde
HUF 2 Forint
IDR 2 Rupiah
ILS 2 New Israeli Sheqel
INR 2 Indian Rupee
IQD 3 Iraqi Dinar
IRR 2 Iranian Rial
ISK 0 Iceland Krona
JMD 2 Jamaican Dollar
JOD 3 Jordanian Dinar
JPY 0 Yen
KES 2 Kenyan Shilling
KGS 2 Som
KHR 2 Riel
KMF 0 Comorian Franc
KPW 2 North Korean Won
KRW 0 Won
KWD 3 Kuwaiti Dinar
KYD 2 Cayman Islands Dollar
KZT 2 Tenge
LAK 2 Lao Kip
LBP 2 Lebanese Pound
LKR 2 Sri Lanka Rupee
LRD 2 Liberian Dollar
LSL 2 Loti
LYD 3 Libyan Dinar
MAD 2 Moroccan Dirham
MDL 2 Moldovan Leu
MGA 2 Malagasy Ariary
MKD 2 Denar
MMK 2 Kyat
MNT 2 Tugrik
MOP 2 Pataca
MRU 2 Ouguiya
MUR 2 Mauritius Rupee
MVR 2 Rufiyaa
MWK 2 Malawi Kwacha
MXN 2 Mexican Peso
MXV 2 Mexican Unidad de Inversion (UDI)
MYR 2 Malaysian Ringgit
MZN 2 Mozambique Metical
NAD 2 Namibia Dollar
NGN 2 Naira
NIO 2 Cordoba Oro
NOK 2 Norwegian Krone
NPR 2 Nepalese Rupee
NZD 2 New Zealand Dollar
OMR 3 Rial Omani
PAB 2 Balboa
PEN 2 Sol
PGK 2 Kina
PHP 2 Philippine Peso
PKR 2 Pakistan Rupee
PLN 2 Zloty
PYG 0 Guarani
QAR 2 Qatari Rial
RON 2 Romanian Leu
RSD 2 Serbian Dinar
RUB 2 Russian Ruble
RWF 0 Rwanda Franc
SAR 2 Saudi Riyal
SBD 2 Solomon Islands Dollar
SCR 2 Seychelles Rupee
SDG 2 Sudanese Pound
SEK 2 Swedish Krona
SGD 2 Singapore Dollar
SHP 2 Saint Helena Pound
SLE 2 Leone
SOS 2 Somali Shilling
SRD 2 Surinam Dollar
SSP 2 South Sudanese Pound
STN 2 Dobra
SVC 2 El Salvador Colon
SYP 2 Syrian Pound
SZL 2 Lilangeni
THB 2 Baht
TJS 2 Somoni
TMT 2 Turkmenistan New Manat
TND 3 Tunisian Dinar
TOP 2 Pa'anga
TRY 2 Turkish Lira
TTD 2 Trinidad and Tobago Dollar
TWD 2 New Taiwan Dollar
TZS 2 Tanzanian Shilling
UAH 2 Hryvnia
UGX 0 Uganda Shilling
USD 2 US Dollar
USN 2 US Dollar (Next day)
UYI 0 Uruguay Peso en Unidades Indexadas (UI)
UYU 2 Peso Uruguayo
UYW 4 Unidad Previsional
UZS 2 Uzbekistan Sum
VED 2 Bolívar Soberano
VES 2 Bolívar Soberano
VND 0 Dong
VUV 0 Vatu
WST 2 Tala
XAD 2 Arab Accounting Dinar
XAF 0 CFA Franc BEAC
XCD 2 East Caribbean Dollar
XCG 2 Caribbean Guilder
XOF 0 CFA Franc BCEAO
XPF 0 CFP Franc
YER 2 Yemeni Rial
ZAR 2 Rand
ZMW 2 Zambian Kwacha
ZWG 2 Zimbabwe Gold
"""

# Code, digits after the point, first day on which it is no longer tender, name.
WITHDRAWN = """
ADP 0 2003-07-01 Andorran Peseta
AFA 2 2003-01-01 Afghani (1927-2003)
ANG 2 2025-04-01 Netherlands Antillean Guilder
ATS 2 2002-03-01 Schilling
AZM 2 2006-01-01 Azerbaijanian Manat
BEF 0 2002-03-01 Belgian Franc
BGL 2 2003-11-01 Lev (1962-1999)
BGN 2 2026-02-01 Bulgarian Lev
BYB 0 2001-01-01 Belarusian Ruble (1994-1999)
BYR 0 2017-01-01 Belarusian Ruble (2000-2016)
CSD 2 2006-10-01 Serbian Dinar (2002-2006)
CUC 2 2021-07-01 Peso Convertible
CYP 2 2008-02-01 Cyprus Pound
DEM 2 2002-03-01 Deutsche Mark
EEK 2 2011-01-15 Kroon
ESP 0 2002-03-01 Spanish Peseta
FIM 2 2002-03-01 Markka
FRF 2 2002-02-18 French Franc
GHC 2 2008-01-01 Cedi
GRD 0 2002-03-01 Drachma
HRK 2 2023-01-15 Kuna
IEP 2 2002-02-10 Irish Pound
ITL 0 2002-03-01 Italian Lira
LTL 2 2015-01-16 Lithuanian Litas
LUF 0 2002-03-01 Luxembourg Franc
LVL 2 2014-01-15 Latvian Lats
MGF 0 2005-01-01 Malagasy Franc
MRO 2 2018-01-01 Ouguiya (1973-2017)
MTL 2 2008-02-01 Maltese Lira
MZM 2 2006-07-01 Mozambique Metical (1980-2006)
NLG 2 2002-01-28 Netherlands Guilder
PTE 0 2002-03-01 Portuguese Escudo
ROL 2 2005-07-01 Old Leu
RUR 2 2004-01-01 Russian Ruble (1991-1998)
SDD 2 2007-07-01 Sudanese Dinar
SIT 2 2007-01-15 Tolar
SKK 2 2009-01-17 Slovak Koruna
SLL 2 2024-01-01 Leone (1964-2023)
SRG 2 2004-01-01 Surinam Guilder
STD 2 2018-01-01 Dobra (1977-2017)
TMM 2 2009-01-01 Turkmenistan Manat (1993-2008)
TPE 0 2002-11-01 Timor Escudo
TRL 0 2006-01-01 Old Turkish Lira
VEB 2 2008-01-01 Bolivar
VEF 2 2018-08-20 Bolivar Fuerte
YUM 2 2003-07-01 Yugoslavian New Dinar
ZMK 2 2013-01-01 Zambian Kwacha (1968-2012)
ZWD 2 2008-08-01 Zimbabwe Dollar
ZWL 2 2024-09-01 Zimbabwe Dollar (2009-2024)
"""


def upgrade() -> None:
    currency = op.create_table(
        "currency",
        sa.Column("code", sa.CHAR(3), nullable=False),
        sa.Column("exponent", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("withdrawn_on", sa.Date()),
        sa.PrimaryKeyConstraint("code", name="currency_pkey"),
        sa.CheckConstraint("exponent BETWEEN 0 AND 4", name=op.f("currency_exponent_check")),
    )
    op.bulk_insert(currency, _rows())


def downgrade() -> None:
    op.drop_table("currency")


def _rows() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for line in ACTIVE.strip().splitlines():
        code, exponent, name = line.split(maxsplit=2)
        rows.append({"code": code, "exponent": int(exponent), "name": name, "withdrawn_on": None})
    for line in WITHDRAWN.strip().splitlines():
        code, exponent, day, name = line.split(maxsplit=3)
        withdrawn_on = date.fromisoformat(day)
        rows.append({"code": code, "exponent": int(exponent), "name": name, "withdrawn_on": withdrawn_on})
    return rows
