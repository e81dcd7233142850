"""Fills an empty Tryton with a distributor's master data, read as JSON from standard input:

    {"year": 2026, "password": "...", "items": [...], "customers": [...], "sites": [...], "stock": [...]}

in the shapes of the test world's master data. It talks to Tryton through proteus, in this process.
Called with the configuration file and the address of the database.
"""
import json
import sys
from datetime import date
from decimal import Decimal

from proteus import Model, Wizard, config

UNITS = {'each': 'Unit', 'kg': 'Kilogram'}
CONNECTOR_GROUPS = [
    ('sale', 'group_sale'), ('sale', 'group_sale_admin'), ('stock', 'group_stock'),
    ('stock', 'group_stock_force_assignment'), ('account', 'group_account'), ('sale_opportunity', 'group_opportunity')]
CRM_GROUPS = [('sale_opportunity', 'group_opportunity')]


def record(module, name):
    """The record that a Tryton module ships under an XML id."""
    row = Model.get('ir.model.data').find([('module', '=', module), ('fs_id', '=', name)])[0]
    return Model.get(row.model)(row.db_id)


def the(model, *domain):
    found = Model.get(model).find(list(domain))
    if len(found) != 1:
        raise LookupError('%s %s: %d found' % (model, domain, len(found)))
    return found[0]


def open_company(data):
    currency = Model.get('currency.currency')(name='Euro', code='EUR', symbol='EUR', numeric_code='978')
    currency.digits, currency.rounding = 2, Decimal('0.01')
    currency.rates.new(date=date(data['year'] - 1, 1, 1), rate=Decimal('1'))
    currency.save()
    party = Model.get('party.party')(name='Sandbox Distribution', code='US')
    party.save()
    setup = Wizard('company.company.config')
    setup.execute('company')
    setup.form.party, setup.form.currency = party, currency
    setup.execute('add')
    current = config.get_config()
    current._context = Model.get('res.user').get_preferences(True, {})
    return Model.get('company.company').find()[0]


def open_books(company, years):
    chart = Wizard('account.create_chart')
    chart.execute('account')
    chart.form.company = company
    chart.form.account_template = record('account', 'account_template_root_en')
    chart.execute('create_account')

    def account(kind):
        return Model.get('account.account').find([('type.' + kind, '=', True), ('company', '=', company.id)])[0]
    chart.form.account_receivable, chart.form.account_payable = account('receivable'), account('payable')
    chart.execute('create_properties')
    for year in years:
        post = Model.get('ir.sequence')(name='Posting %d' % year, company=company,
            sequence_type=the('ir.sequence.type', ('name', '=', 'Account Move')))
        post.save()
        invoice = Model.get('ir.sequence.strict')(name='Invoice %d' % year, company=company,
            prefix='INV%d-' % year, padding=5, sequence_type=the('ir.sequence.type', ('name', '=', 'Invoice')))
        invoice.save()
        book = Model.get('account.fiscalyear')(name=str(year), company=company, post_move_sequence=post,
            start_date=date(year, 1, 1), end_date=date(year, 12, 31))
        for sequences in book.invoice_sequences:
            for field in ('out_invoice_sequence', 'out_credit_note_sequence', 'in_invoice_sequence', 'in_credit_note_sequence'):
                setattr(sequences, field, invoice)
        book.save()
        book.click('create_period')
    goods = Model.get('product.category')(name='Goods', accounting=True)
    goods.account_revenue, goods.account_expense = account('revenue'), account('expense')
    goods.save()
    term = Model.get('account.invoice.payment_term')(name='Net 30')
    term.lines.new(type='remainder').relativedeltas.new(days=30)
    term.save()
    return goods, term


def add_sites(data):
    """The warehouse that Tryton brings along becomes the first site."""
    Location = Model.get('stock.location')
    shipped = [w for w in Location.find([('type', '=', 'warehouse')])]
    lost = the('stock.location', ('type', '=', 'lost_found'))
    used = {(line['site'], line['bin']) for line in data['stock']}
    bins = {}
    for site in data['sites']:
        if shipped:
            warehouse = shipped.pop()
        else:
            warehouse = Location(type='warehouse', lost_found_location=lost, name=site['title'])
            for zone in ('input', 'output', 'storage'):
                place = Location(type='storage', name=zone)
                place.save()
                setattr(warehouse, zone + '_location', place)
        warehouse.name, warehouse.code = site['title'], site['code']
        warehouse.save()
        for zone in ('input', 'output', 'storage'):
            place = getattr(warehouse, zone + '_location')
            place.name, place.code = '%s %s' % (site['title'], zone), '%s/%s' % (site['code'], zone)
            place.save()
        for code in site['bins']:
            if (site['code'], code) in used:
                place = Location(type='storage', name=code, code=code, parent=warehouse.storage_location)
                place.save()
                bins[site['code'], code] = place
    return bins


def add_items(data, goods):
    unit_of = {u.name: u for u in Model.get('product.uom').find()}
    products = {}
    for item in data['items']:
        template = Model.get('product.template')(name=item['description'], code=item['code'], type='goods',
            default_uom=unit_of[UNITS[item['unit']]], salable=True, list_price=Decimal(str(item['price'])))
        template.account_category = goods
        if item['lot_tracked']:
            template.lot_required = ['customer']
        template.products[0].cost_price = (Decimal(str(item['price'])) / 2).quantize(Decimal('0.01'))
        template.save()
        products[item['code']] = template.products[0]
    return products


def add_customers(data, term):
    for customer in data['customers']:
        party = Model.get('party.party')(name=customer['name'], code=customer['code'], customer_payment_term=term)
        party.addresses[0].street = '\n'.join(customer['ship_to'][:-1])
        party.addresses[0].city = customer['ship_to'][-1]
        if customer['blocked']:
            party.credit_limit_amount = Decimal(0)
        party.save()


def fill_bins(data, bins, products):
    lots, by_bin = {}, {}
    for line in data['stock']:
        by_bin.setdefault((line['site'], line['bin']), []).append(line)
    for place, lines in by_bin.items():
        count = Model.get('stock.inventory')(location=bins[place])
        for line in lines:
            row = count.lines.new(product=products[line['item']], quantity=float(line['quantity']))
            if line['lot']:
                if line['lot'] not in lots:
                    lots[line['lot']] = Model.get('stock.lot')(number=line['lot'], product=products[line['item']])
                    lots[line['lot']].save()
                row.lot = lots[line['lot']]
        count.click('confirm')


def add_user(company, login, name, groups, password):
    party = Model.get('party.party')(name=name, code=login.upper())
    party.save()
    employee = Model.get('company.employee')(party=party, company=company)
    employee.save()
    user = Model.get('res.user')(name=name, login=login, password=password)
    user.companies.append(Model.get('company.company')(company.id))
    user.company = company
    user.employees.append(employee)
    user.employee = employee
    for group in groups:
        user.groups.append(record(*group))
    user.save()


def number_documents():
    for module, name, prefix in [('sale', 'sequence_sale', 'SO'), ('stock', 'sequence_shipment_out', 'SH')]:
        sequence = record(module, name)
        sequence.prefix, sequence.padding = prefix, 5
        sequence.save()
    sales = Model.get('sale.configuration')(1)
    sales.sale_invoice_method = 'shipment'
    sales.save()


def main(config_file, database):
    data = json.load(sys.stdin)
    config.set_trytond(database, config_file=config_file)
    company = open_company(data)
    goods, term = open_books(company, range(data['year'] - 1, data['year'] + 2))
    number_documents()
    bins = add_sites(data)
    products = add_items(data, goods)
    add_customers(data, term)
    fill_bins(data, bins, products)
    add_user(company, 'dockline', 'Dockline', CONNECTOR_GROUPS, data['password'])
    add_user(company, 'crm', 'CRM', CRM_GROUPS, data['password'])


if __name__ == '__main__':
    main(*sys.argv[1:])
